// SPDX-License-Identifier: Apache-2.0
#include "update.hpp"

namespace osteon::dense_crf {
namespace {

// sdk::vector_exp() of registers, less the care for NaN: a logit is none.
template <class Register>
OSTEON_INLINE void exponentiate(Register& x) {
  using Integers = decltype(x < x);
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding rounds to a whole number, which is in the low bits
  x = x < -87.3f ? Register{} - 87.3f : x;
  x = x > 88.3f ? Register{} + 88.3f : x;
  const Register shifted = x * 1.44269504f + kRounder, n = shifted - kRounder;
  const Register r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Register p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * r * r + r) + 1.0f;
  const Integers power = (reinterpret_cast<Integers>(shifted) << 23) + 0x3f800000;
  x = p * reinterpret_cast<Register>(power);
}

// The greatest, and the sum, of sixteen lanes, in each of them: lanes are turned by 8, 4, 2 and 1 and folded.
template <class Fold>
OSTEON_INLINE void fold(Sixteen& v, Fold&& with) {
  with(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  with(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  with(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  with(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
}
template <class Fold>
OSTEON_INLINE void fold(TwoEights& v, Fold&& with) {
  Eight eight = v.parts[0];
  with(eight, v.parts[1]);
  with(eight, __builtin_shufflevector(eight, eight, 4, 5, 6, 7, 0, 1, 2, 3));
  with(eight, __builtin_shufflevector(eight, eight, 2, 3, 0, 1, 6, 7, 4, 5));
  with(eight, __builtin_shufflevector(eight, eight, 1, 0, 3, 2, 5, 4, 7, 6));
  v = {{eight, eight}};
}
template <class Fold>
OSTEON_INLINE void fold(FourFours& v, Fold&& with) {
  Four four = v.parts[0];
  for (int i = 1; i < 4; ++i) with(four, v.parts[i]);
  with(four, __builtin_shufflevector(four, four, 2, 3, 0, 1));
  with(four, __builtin_shufflevector(four, four, 1, 0, 3, 2));
  v = {{four, four, four, four}};
}

struct SigmoidAll {
  template <class V>
  static OSTEON_INLINE void run(Lanes* values, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i)
      for_registers(as<V>(values)[i], [](auto& x) OSTEON_INLINE_LAMBDA {
        x = -x;
        exponentiate(x);
        x = 1.0f / (x + 1.0f);
      });
  }
};

// Of a pixel: the greatest value, in each lane; the sum of e^(values - greatest), likewise; each of these to take().
template <class V, class Take>
OSTEON_INLINE void exponentiate_pixel(V* values, std::int64_t blocks, V& most, V& sum, Take&& take) {
  most = values[0];
  for (std::int64_t b = 1; b < blocks; ++b) raise(most, values[b * kTile]);
  fold(most, [](auto& a, const auto& b) OSTEON_INLINE_LAMBDA { a = b > a ? b : a; });
  sum = V{};
  for (std::int64_t b = 0; b < blocks; ++b) {
    V e = values[b * kTile] - most;
    for_registers(e, [](auto& x) OSTEON_INLINE_LAMBDA { exponentiate(x); });
    take(values[b * kTile], e);
    sum += e;
  }
  fold(sum, [](auto& a, const auto& b) OSTEON_INLINE_LAMBDA { a += b; });
}

struct SoftmaxAll {
  template <class V>
  static OSTEON_INLINE void run(Lanes* lanes, std::int64_t blocks, std::int64_t count) {
    for (V* values = as<V>(lanes); values != as<V>(lanes) + count; ++values) {
      V most, sum;
      exponentiate_pixel(values, blocks, most, sum, [](V& value, const V& e) OSTEON_INLINE_LAMBDA { value = e; });
      for_registers(sum, [](auto& x) OSTEON_INLINE_LAMBDA { x = 1.0f / x; });
      for (std::int64_t b = 0; b < blocks; ++b) values[b * kTile] *= sum;
    }
  }
};

// sdk::vector_log() of registers, of what is positive and normal.
template <class Register>
OSTEON_INLINE void take_logarithm(Register& x) {
  using Integers = decltype(x < x);
  const Integers bits = reinterpret_cast<Integers>(x) + (0x3f800000 - 0x3f3504f3);
  const Register e = __builtin_convertvector((bits >> 23) - 127, Register);
  const Register m = reinterpret_cast<Register>((bits & 0x007fffff) + 0x3f3504f3);
  const Register s = (m - 1.0f) / (m + 1.0f), s2 = s * s;
  Register p = s2 * 0.1161216461f + 0.108532879f;
  p = p * s2 + 0.14296179f;
  p = p * s2 + 0.1999985317f;
  p = p * s2 + 0.3333333366f;
  p = p * s2 + 1.0f;
  x = (2.0f * s * p + e * -2.12194440e-4f) + e * 0.693359375f;
}

// values <- values - log(sum of e^values), or, against the rest, - log(sum of those of other classes).
struct LogarithmsOfSoftmax {
  template <class V>
  static OSTEON_INLINE void run(Lanes* lanes, std::int64_t blocks, std::int64_t count, bool against_rest) {
    for (V* values = as<V>(lanes); values != as<V>(lanes) + count; ++values) {
      V most, sum;
      exponentiate_pixel(values, blocks, most, sum, [](V&, const V&) OSTEON_INLINE_LAMBDA {});
      for (std::int64_t b = 0; b < blocks; ++b) {
        V& value = values[b * kTile];
        V rest = sum;
        value = value - most;
        if (against_rest) {
          V least = sum * 1e-7f;  // what rounding leaves of it
          rest = value;
          for_registers(rest, [](auto& x) OSTEON_INLINE_LAMBDA { exponentiate(x); });
          rest = sum - rest;
          raise(rest, least);
        }
        for_registers(rest, [](auto& x) OSTEON_INLINE_LAMBDA { take_logarithm(x); });
        value = value - rest;
      }
    }
  }
};

OSTEON_MULTIVERSION void logits_of_all(float* values, std::int64_t count, bool exclusive) {
  constexpr float kLeast = 1e-7f, kMost = 1 - 6e-8f;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    float p = sdk::vector_select(values[i] < kLeast, kLeast, values[i]);
    p = sdk::vector_select(p > kMost, kMost, p);
    values[i] = sdk::vector_log(p) - (exclusive ? 0 : sdk::vector_log(1 - p));
  }
}

struct AddAllUp {
  template <class V>
  static OSTEON_INLINE void run(const Lanes* values, std::int64_t count, Lanes* sum) {
    V total = *as<V>(sum);
    for (std::int64_t i = 0; i < count; ++i) total += as<V>(values)[i];
    *as<V>(sum) = total;
  }
};

OSTEON_MULTIVERSION void write_all(const float* values, std::int64_t classes, std::int64_t count, std::int64_t plane,
                                   float* to) {
  for (std::int64_t c = 0; c < classes; ++c)
    for (std::int64_t i = 0; i < count; ++i) to[c * plane + i] = values[i * kLanes + c];
}

OSTEON_MULTIVERSION void scale_all(const float* plane, float scale, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = scale * plane[i];
}

}  // namespace

void sigmoid(Lanes* values, std::int64_t count) { on_lanes<SigmoidAll>(values, count); }

void softmax(Lanes* values, std::int64_t blocks, std::int64_t count) { on_lanes<SoftmaxAll>(values, blocks, count); }

void log_softmax(Lanes* values, std::int64_t blocks, std::int64_t count) {
  on_lanes<LogarithmsOfSoftmax>(values, blocks, count, false);
}

void logits_of_softmax(Lanes* values, std::int64_t blocks, std::int64_t count) {
  on_lanes<LogarithmsOfSoftmax>(values, blocks, count, true);
}

void logits_of_probabilities(float* values, std::int64_t count, bool exclusive) {
  logits_of_all(values, count, exclusive);
}

void add_up(const Lanes* values, std::int64_t count, Lanes& sum) { on_lanes<AddAllUp>(values, count, &sum); }

void write_planes(const Lanes* values, std::int64_t classes, std::int64_t count, std::int64_t plane, float* to) {
  write_all(floats(values), classes, count, plane, to);
}

void scale_row(const float* plane, float scale, std::int64_t count, float* out) {
  if (plane != nullptr) return scale_all(plane, scale, count, out);
  for (std::int64_t i = 0; i < count; ++i) out[i] = scale;
}

}  // namespace osteon::dense_crf
