// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "lanes.hpp"

/// Matrix products for inference on the CPU: float32, row-major. Results do not depend on the number of threads.
namespace osteon::layers::kernels {

/// Columns of the right-hand matrix that are worked on together; the last ones may be half as many.
constexpr std::int64_t kPanel = 32;

/// `count`, to the next multiple of half a panel: columns of a packed matrix, with zeros at the end.
constexpr std::int64_t padded(std::int64_t count) { return (count + kPanel / 2 - 1) / (kPanel / 2) * (kPanel / 2); }

/// Packs b [k, columns], whose element (p, j) is b[p * row_stride + j * column_stride], into panels one after the
/// other: [k, kPanel] each, the last one [k, kPanel / 2] where that suffices. `panels` has room for k *
/// padded(columns).
void pack_panels(const float* b, std::int64_t k, std::int64_t columns, std::int64_t row_stride,
                 std::int64_t column_stride, float* panels);

/// Packed b with row p times factors[p].
void scale_panels(const float* panels, std::int64_t k, std::int64_t columns, const float* factors, float* scaled);

/// c <- a b, or c + a b with `add`.
/// @param a       [rows, k], `a_stride` floats from row to row. Multiples of 1024 are slow: rows then meet in the same
///                few places of the cache.
/// @param panels  b [k, columns], packed
/// @param c       [rows, padded(columns)], `c_stride` floats from row to row
void multiply(const float* a, std::int64_t rows, std::int64_t k, std::int64_t a_stride, const float* panels,
              std::int64_t columns, float* c, std::int64_t c_stride, bool add);

/// What multiply() chooses from, by the processor: one panel of one or two `lanes`.
using MultiplyPanel = void(const float* a, std::int64_t rows, std::int64_t k, std::int64_t a_stride, const float* panel,
                           int lanes, float* c, std::int64_t c_stride, bool add);
MultiplyPanel multiply_in_32_registers, multiply_in_16_registers;

/// Rows [first, first + rows) of out <- epilogue(a b), [..., columns] without gaps; `a` points at the first of them.
/// Else as multiply().
void multiply_and_finish(const float* a, std::int64_t rows, std::int64_t k, std::int64_t a_stride, const float* panels,
                         std::int64_t columns, const Epilogue& epilogue, std::int64_t first, float* out);

/// Rows that are worked on together at best.
constexpr std::int64_t kRowsAtOnce = 12;

}  // namespace osteon::layers::kernels
