// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// Loops over the pixels of a row. Sums are of windows, `inverse_count` is 1 / how many pixels lie in each; with several
// channels, rows of each follow one another in arrays of pointers.
namespace osteon::guided_filter {

/// Mean, and inverse of (variance + eps), of a grey image.
void invert_variances(const double* sums, const double* sums_of_squares, const double* inverse_columns,
                      double inverse_row, double eps, std::int64_t n, float* mean, float* inverse);

/// Means of three channels, and the inverse of the symmetric (covariance + eps 1), rr rg rb gg gb bb.
void invert_covariances(const double* const* sums, const double* const* sums_of_products, const double* inverse_columns,
                        double inverse_row, double eps, std::int64_t n, float* const* mean, float* const* inverse);

/// a and b of each window, of a plane whose sums, and whose products' with the channel, are given.
void fit_grey(const double* sums, const double* sums_of_products, const double* inverse_columns, double inverse_row,
              const float* mean, const float* inverse, std::int64_t n, float* a, float* b);
/// The same with three channels. `ab` are rows of a's three components and of b.
void fit_color(const double* sums, const double* const* sums_of_products, const double* inverse_columns,
               double inverse_row, const float* const* mean, const float* const* inverse, std::int64_t n,
               float* const* ab);

/// Means of a over windows times the image, and that of b, cut to 0..1. `sums` are of a's components and of b.
void blend_grey(const double* const* sums, const double* inverse_columns, double inverse_row, const float* channel,
                std::int64_t n, float* out);
void blend_color(const double* const* sums, const double* inverse_columns, double inverse_row,
                 const float* const* channels, std::int64_t n, float* out);

}  // namespace osteon::guided_filter
