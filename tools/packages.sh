# shellcheck shell=bash
# The Debian and Ubuntu packages of this project, in one place; sourced by ./check and ./reproduce.
# (tools/packages.sh run by itself prints the lists.)

# Names of one kind: build (compile and link), run (the main job), test (./check), optional (tests
# that are skipped without them).
ap_packages() {
  case $1 in
    build)
      echo build-essential cmake ninja-build pkg-config git libopenblas-dev libjansson-dev \
        nettle-dev libinih-dev zlib1g-dev liblzma-dev libsqlite3-dev libonnx-dev libprotobuf-c-dev \
        protobuf-c-compiler
      ;;
    run) echo dataset-fashion-mnist gnuplot-nox xz-utils ;;
    test) echo libcmocka-dev libbenchmark-dev ;;
    optional) echo python3 python3-numpy ;;
    *)
      echo "ap_packages: no kind $1" >&2
      return 2
      ;;
  esac
}

# Of the names given, those that are not installed, one a line.
ap_packages_missing() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2> /dev/null)" = installed ] || echo "$name"
  done
}

ap_as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

ap_apt_install() {
  ap_as_root apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "$@"
}

# True when apt knows a version to install for every name.
ap_apt_knows() {
  local name
  for name in "$@"; do
    apt-cache policy "$name" 2> /dev/null | grep -q '^ *Candidate: [^(]' || return 1
  done
}

# ap_install KIND...: installs what is missing. The lists of apt are fetched only when they do not
# know a package, or know versions that the server no longer has.
ap_install() {
  local kind name missing=() optional=()
  if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
    echo "Not a Debian or Ubuntu system: nothing is installed; needed are the libraries of: $(for kind in "$@"; do ap_packages "$kind"; done | tr '\n' ' ')" >&2
    return 0
  fi
  for kind in "$@"; do
    # shellcheck disable=SC2046 # the lists are words
    while IFS= read -r name; do
      if [ -z "$name" ]; then
        continue
      elif [ "$kind" = optional ]; then
        optional+=("$name")
      else
        missing+=("$name")
      fi
    done <<< "$(ap_packages_missing $(ap_packages "$kind"))"
  done
  [ $((${#missing[@]} + ${#optional[@]})) -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo > /dev/null; then
    if [ ${#missing[@]} -gt 0 ]; then
      echo "Packages are missing, and this is neither root nor is there sudo. As root: apt-get install ${missing[*]}" >&2
      return 2
    fi
    return 0
  fi
  if [ ${#missing[@]} -gt 0 ]; then
    echo "Installing: ${missing[*]}"
    if ! ap_apt_knows "${missing[@]}" || ! ap_apt_install "${missing[@]}"; then
      ap_as_root apt-get -o DPkg::Lock::Timeout=300 update -q || return 1
      ap_apt_install "${missing[@]}" || return 1
    fi
  fi
  for name in "${optional[@]+"${optional[@]}"}"; do
    ap_apt_install "$name" > /dev/null 2>&1 ||
      echo "Optional package $name cannot be installed: tests that need it are skipped."
  done
}

# A build folder whose cache was made for another place (a moved or copied tree) is configured anew.
ap_forget_moved() { # BUILD_DIR
  local home
  [ -f "$1/CMakeCache.txt" ] || return 0
  home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$1/CMakeCache.txt")
  if [ "$home" != "$(pwd -P)" ] && [ "$home" != "$PWD" ]; then
    rm -rf "$1/CMakeCache.txt" "$1/CMakeFiles"
  fi
}

# Seconds as "12 s" or "3 min 4 s".
ap_duration() {
  if [ "$1" -lt 60 ]; then
    echo "$1 s"
  else
    echo "$(($1 / 60)) min $(($1 % 60)) s"
  fi
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  for kind in build run test optional; do
    echo "$kind: $(ap_packages "$kind")"
  done
fi
