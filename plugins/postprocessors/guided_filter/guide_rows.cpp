// SPDX-License-Identifier: Apache-2.0
#include "guide_rows.hpp"

#include <osteon/sdk/vector_math.hpp>

namespace osteon::guided_filter {
namespace {

OSTEON_INLINE double wide(float value) { return static_cast<double>(value); }

OSTEON_INLINE float cut(double value) {
  const auto narrow = static_cast<float>(value);
  const float below_1 = sdk::vector_select(narrow > 1, 1, narrow);
  return sdk::vector_select(below_1 < 0, 0, below_1);
}

// Rounding must not take a variance below 0, nor with it the matrix off its positive side.
OSTEON_INLINE double at_least_0(double value) { return value > 0 ? value : 0; }

}  // namespace

OSTEON_MULTIVERSION void invert_variances(const double* sums, const double* sums_of_squares,
                                          const double* inverse_columns, double inverse_row, double eps, std::int64_t n,
                                          float* mean, float* inverse) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < n; ++x) {
    const double share = inverse_columns[x] * inverse_row, m = sums[x] * share;
    mean[x] = static_cast<float>(m);
    inverse[x] = static_cast<float>(1 / (at_least_0(sums_of_squares[x] * share - m * m) + eps));
  }
}

OSTEON_MULTIVERSION void invert_covariances(const double* const* sums, const double* const* products,
                                            const double* inverse_columns, double inverse_row, double eps,
                                            std::int64_t n, float* const* mean, float* const* inverse) {
  const double *r = sums[0], *g = sums[1], *b = sums[2];
  const double *rr = products[0], *rg = products[1], *rb = products[2], *gg = products[3], *gb = products[4],
               *bb = products[5];
  float *mean_r = mean[0], *mean_g = mean[1], *mean_b = mean[2];
  float *out_rr = inverse[0], *out_rg = inverse[1], *out_rb = inverse[2], *out_gg = inverse[3], *out_gb = inverse[4],
        *out_bb = inverse[5];
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < n; ++x) {
    const double share = inverse_columns[x] * inverse_row, mr = r[x] * share, mg = g[x] * share, mb = b[x] * share;
    const double a = at_least_0(rr[x] * share - mr * mr) + eps, d = at_least_0(gg[x] * share - mg * mg) + eps,
                 f = at_least_0(bb[x] * share - mb * mb) + eps;
    const double c_rg = rg[x] * share - mr * mg, c_rb = rb[x] * share - mr * mb, c_gb = gb[x] * share - mg * mb;
    const double of_r = d * f - c_gb * c_gb, of_g = c_rb * c_gb - c_rg * f, of_b = c_rg * c_gb - c_rb * d;
    const double factor = 1 / (a * of_r + c_rg * of_g + c_rb * of_b);
    mean_r[x] = static_cast<float>(mr);
    mean_g[x] = static_cast<float>(mg);
    mean_b[x] = static_cast<float>(mb);
    out_rr[x] = static_cast<float>(of_r * factor);
    out_rg[x] = static_cast<float>(of_g * factor);
    out_rb[x] = static_cast<float>(of_b * factor);
    out_gg[x] = static_cast<float>((a * f - c_rb * c_rb) * factor);
    out_gb[x] = static_cast<float>((c_rg * c_rb - a * c_gb) * factor);
    out_bb[x] = static_cast<float>((a * d - c_rg * c_rg) * factor);
  }
}

OSTEON_MULTIVERSION void fit_grey(const double* sums, const double* products, const double* inverse_columns,
                                  double inverse_row, const float* mean, const float* inverse, std::int64_t n, float* a,
                                  float* b) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < n; ++x) {
    const double share = inverse_columns[x] * inverse_row, p = sums[x] * share, m = wide(mean[x]);
    const double slope = (products[x] * share - m * p) * wide(inverse[x]);
    a[x] = static_cast<float>(slope);
    b[x] = static_cast<float>(p - slope * m);
  }
}

OSTEON_MULTIVERSION void fit_color(const double* sums, const double* const* products, const double* inverse_columns,
                                   double inverse_row, const float* const* mean, const float* const* inverse,
                                   std::int64_t n, float* const* ab) {
  const double *pr = products[0], *pg = products[1], *pb = products[2];
  const float *mr = mean[0], *mg = mean[1], *mb = mean[2];
  const float *rr = inverse[0], *rg = inverse[1], *rb = inverse[2], *gg = inverse[3], *gb = inverse[4],
              *bb = inverse[5];
  float *out_r = ab[0], *out_g = ab[1], *out_b = ab[2], *out = ab[3];
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < n; ++x) {
    const double share = inverse_columns[x] * inverse_row, p = sums[x] * share;
    const double r = pr[x] * share - wide(mr[x]) * p, g = pg[x] * share - wide(mg[x]) * p,
                 b = pb[x] * share - wide(mb[x]) * p;
    const double ar = wide(rr[x]) * r + wide(rg[x]) * g + wide(rb[x]) * b,
                 ag = wide(rg[x]) * r + wide(gg[x]) * g + wide(gb[x]) * b,
                 a_b = wide(rb[x]) * r + wide(gb[x]) * g + wide(bb[x]) * b;
    out_r[x] = static_cast<float>(ar);
    out_g[x] = static_cast<float>(ag);
    out_b[x] = static_cast<float>(a_b);
    out[x] = static_cast<float>(p - ar * wide(mr[x]) - ag * wide(mg[x]) - a_b * wide(mb[x]));
  }
}

OSTEON_MULTIVERSION void blend_grey(const double* const* sums, const double* inverse_columns, double inverse_row,
                                    const float* channel, std::int64_t n, float* out) {
  const double *a = sums[0], *b = sums[1];
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < n; ++x)
    out[x] = cut((a[x] * wide(channel[x]) + b[x]) * (inverse_columns[x] * inverse_row));
}

OSTEON_MULTIVERSION void blend_color(const double* const* sums, const double* inverse_columns, double inverse_row,
                                     const float* const* channels, std::int64_t n, float* out) {
  const double *ar = sums[0], *ag = sums[1], *a_b = sums[2], *rest = sums[3];
  const float *r = channels[0], *g = channels[1], *b = channels[2];
  OSTEON_VECTOR_LOOP
  for (std::int64_t x = 0; x < n; ++x)
    out[x] = cut((ar[x] * wide(r[x]) + ag[x] * wide(g[x]) + a_b[x] * wide(b[x]) + rest[x]) *
                 (inverse_columns[x] * inverse_row));
}

}  // namespace osteon::guided_filter
