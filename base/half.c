/* base/half.c - binary16 by integer arithmetic: 1 sign bit, 5 of exponent (bias 15), 10 of mantissa. */
#include "base/half.h"

#include <string.h>

/* mantissa / 2^shift, rounded to nearest even; shift 1..31. */
static uint32_t round_shift(uint32_t mantissa, unsigned shift) {
  uint32_t whole = mantissa >> shift, rest = mantissa & ((UINT32_C(1) << shift) - 1);
  uint32_t half = UINT32_C(1) << (shift - 1);
  return whole + (rest > half || (rest == half && (whole & 1)));
}

uint16_t ap_half_from_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t sign = bits >> 16 & 0x8000u, exponent = bits >> 23 & 0xffu, mantissa = bits & 0x7fffffu;
  uint32_t magnitude;
  if (exponent == 0xff) {
    magnitude = mantissa ? 0x7e00u : 0x7c00u;
  } else if (exponent >= 113) { /* 2^-14 and more: normal; a carry runs into the exponent */
    magnitude = round_shift((exponent - 112) << 23 | mantissa, 13);
    if (exponent > 142 || magnitude > 0x7c00u) magnitude = 0x7c00u;
  } else if (exponent >= 102) { /* a multiple of 2^-24, from 2^-25 on */
    magnitude = round_shift(mantissa | 0x800000u, 126 - exponent);
  } else {
    magnitude = 0;
  }
  return (uint16_t)(sign | magnitude);
}

float ap_half_to_float(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 0x1fu;
  uint32_t mantissa = half & 0x3ffu, bits;
  float value;
  if (exponent == 0x1f) {
    bits = sign | 0x7f800000u | mantissa << 13;
  } else if (exponent) {
    bits = sign | (exponent + 112) << 23 | mantissa << 13;
  } else {
    value = (float)mantissa * 0x1p-24f;
    return sign ? -value : value;
  }
  memcpy(&value, &bits, sizeof value);
  return value;
}
