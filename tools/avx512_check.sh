#!/bin/bash
# Runs the tests of the AVX-512 and VNNI kernels on a processor that lacks them: boots a Linux kernel in the
# Bochs emulator, as a Skylake-X with VNNI added, with the test programs as its only content. For
# correctness only: nothing about time can be learned there. The tests of the kernels leave the other instruction sets out.
#
# usage: tools/avx512_check.sh [--bochs PROGRAM | --bochs-source ARCHIVE] [--kernel VMLINUZ] [TEST...]
#   --bochs PROGRAM         a Bochs built by an earlier run (kept as build/avx512/bochs; the default)
#   --bochs-source ARCHIVE  builds it from the sources of Bochs 3.0 (bochs-3.0.tar.gz of the project, or the
#                           .orig.tar.xz of a Debian source package; 5 minutes on 2 cores)
#   --kernel VMLINUZ        default: what apt has as linux-image-cloud-amd64, unpacked, not installed
#   TEST                    test programs of build/dev with their arguments in quotes; default: kernels,
#                           evaluator and integer evaluator (half an hour)
# example: tools/avx512_check.sh --bochs-source bochs-3.0.tar.gz tests/kernels/test_kernels_tiles
# Needs the packages grub-pc-bin grub-common xorriso mtools busybox-static cpio bochsbios vgabios.
# AP_AVX512_SECONDS=7200  ends the emulation after so long
# Exit 0 all passed on vectors "avx512", 1 a test failed or did not end, 2 bad usage or no build.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."
work=$PWD/build/avx512
bochs=$work/bochs kernel="" archive="" tests=()
limit=${AP_AVX512_SECONDS:-7200}

stop() {
  echo "avx512_check: $1" >&2
  exit 2
}
from_here() { case $1 in /*) echo "$1" ;; *) echo "$here/$1" ;; esac }
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      sed -n '2,16s/^# \?//p' "$0"
      exit 0
      ;;
    --bochs | --bochs-source | --kernel)
      [ $# -ge 2 ] || stop "$1 expects a file; see --help"
      [ -e "$(from_here "$2")" ] || stop "$2: no such file, $1 expects one"
      case $1 in
        --bochs) bochs=$(from_here "$2") ;;
        --bochs-source) archive=$(from_here "$2") ;;
        --kernel) kernel=$(from_here "$2") ;;
      esac
      shift
      ;;
    -*) stop "unknown option $1; see --help" ;;
    *) tests+=("$1") ;;
  esac
  shift
done
if [ ${#tests[@]} -eq 0 ]; then
  tests=(tests/kernels/test_kernels_tiles tests/kernels/test_kernels_packed_ops tests/kernels/test_kernels_packed
    tests/kernels/test_kernels_packed8 tests/kernels/test_kernels_packed8_ops tests/nn/test_nn_evaluator tests/pruners/test_pruners_integer_evaluator)
fi
for tool in grub-mkrescue xorriso mformat cpio busybox; do
  command -v "$tool" > /dev/null || stop "$tool is missing; the packages needed are listed by --help"
done
bios=/usr/share/bochs
for rom in "$bios/BIOS-bochs-latest" "$bios/VGABIOS-lgpl-latest"; do
  [ -e "$rom" ] || stop "$rom: no such file (packages bochsbios, vgabios)"
done
mkdir -p "$work"

# Bochs has the instructions of VNNI, but no Skylake-X that says so.
build_bochs() {
  local log=$work/bochs.build.log source=$work/source
  rm -rf "$source" && mkdir "$source" && tar -C "$source" --strip-components=1 -xf "$archive"
  local model=$source/cpu/cpudb/intel/corei7_skylake-x.cc
  grep -qs 'leaf->edx = ' "$model" || stop "$archive: no cpu/cpudb/intel/corei7_skylake-x.cc as of Bochs 3.0"
  sed -i '/::get_std_cpuid_leaf_7/,/^}/ s/leaf->edx = /if (is_cpu_extension_supported(BX_ISA_AVX512_VNNI)) leaf->ecx |= (1 << 11);\n    &/' "$model"
  (cd "$source" && CXXFLAGS=-O2 CFLAGS=-O2 ./configure --enable-cpu-level=6 --enable-x86-64 --enable-avx --enable-evex \
    --enable-all-optimizations --disable-debugger --disable-plugins --enable-pci --with-nogui --disable-docbook &&
    make -j"$(nproc)") > "$log" 2>&1 || {
    tail -n 5 "$log" >&2
    stop "Bochs does not build; all of it in $log"
  }
  mv "$source/bochs" "$work/bochs" && rm -rf "$source"
}
if [ -n "$archive" ]; then build_bochs; fi
[ -x "$bochs" ] || stop "$bochs: no such program; --bochs-source builds one (see --help)"

if [ -z "$kernel" ]; then
  mkdir -p "$work/linux"
  kernel=$(find "$work/linux" -name 'vmlinuz-*' | head -n 1)
  if [ -z "$kernel" ]; then
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$package" ] || stop "apt does not know linux-image-cloud-amd64; give a kernel with --kernel"
    (cd "$work/linux" && rm -f ./*.deb && apt-get download -q "$package" 2>&1 && dpkg-deb -x ./*.deb .) > "$work/linux.log" ||
      stop "$package cannot be had; give a kernel with --kernel"
    kernel=$(find "$work/linux" -name 'vmlinuz-*' | head -n 1)
  fi
fi

if ! { cmake --preset dev && cmake --build --preset dev --parallel "$(nproc)"; } > "$work/build.log" 2>&1; then
  tail -n 20 "$work/build.log" >&2
  stop "the tests do not build"
fi

# The first file system: busybox, the tests, the libraries they name.
root=$work/root image=$work/image
rm -rf "$root" "$image" && mkdir -p "$root"/{bin,proc,dev,tmp,t} "$image/boot/grub"
cp "$(command -v busybox)" "$root/bin/busybox"
for test in "${tests[@]}"; do
  program=build/dev/${test%% *}
  [ -x "$program" ] || stop "$program: no such test program"
  cp "$program" "$root/t/"
  # "|| true": a program linked statically names no library
  { ldd "$program" | grep -oE '/[^ ]+\.so[^ ]*' || true; } | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -Ln "$library" "$root$library"
  done
  name=${program##*/} arguments=""
  case $test in *' '*) arguments=${test#* } ;; esac
  printf 'echo "== %s"\n/t/%s %s\necho "== ended with $?"\n' "$test" "$name" "$arguments" >> "$root/t/commands"
done
cat > "$root/init" << 'END'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
exec > /dev/ttyS0 2>&1
/bin/busybox grep -qw avx512_vnni /proc/cpuinfo || echo "== a processor without avx512_vnni"
export OPENBLAS_NUM_THREADS=1 TMPDIR=/tmp AP_TEST_VECTORS=avx512
cd /tmp
/bin/busybox sh /t/commands
/bin/busybox sleep 2 # the serial line is slower than the processor
/bin/busybox poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$image/boot/initrd.gz"
cp "$kernel" "$image/boot/vmlinuz"
cat > "$image/boot/grub/grub.cfg" << 'END'
set timeout=0
menuentry tests {
  linux /boot/vmlinuz console=ttyS0 quiet loglevel=1 mitigations=off nokaslr rdinit=/init
  initrd /boot/initrd.gz
}
END
grub-mkrescue -o "$work/tests.iso" "$image" > "$work/image.log" 2>&1 || stop "no image, see $work/image.log"
cat > "$work/bochsrc" << END
cpu: model=corei7_skylake_x, add_features=avx512vnni, ips=100000000, reset_on_triple_fault=0
megs: 2048
romimage: file=$bios/BIOS-bochs-latest
vgaromimage: file=$bios/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$work/tests.iso, status=inserted
boot: cdrom
display_library: nogui
com1: enabled=1, mode=file, dev=$work/serial.txt
log: $work/bochs.log
panic: action=fatal
clock: sync=none
END
rm -f "$work/serial.txt"
: > "$work/serial.txt"
tail -n +1 -f "$work/serial.txt" &
shown=$!
trap 'kill "$shown" 2> /dev/null' EXIT
timeout --foreground "$limit" "$bochs" -q -f "$work/bochsrc" > "$work/bochs.out" 2>&1 < /dev/null && status=0 || status=$?
sleep 1
if [ "$status" -eq 124 ]; then printf '\navx512_check: ended after %s s, see AP_AVX512_SECONDS\n' "$limit"; fi
passed=$(grep -ac '^== ended with 0' "$work/serial.txt" || true)
echo "avx512_check: $passed of ${#tests[@]} programs passed"
if grep -aq '^== a processor without' "$work/serial.txt"; then
  stop "$bochs: not the emulator that this script builds, AVX-512 with VNNI expected"
fi
if [ "$passed" -ne ${#tests[@]} ]; then exit 1; fi
