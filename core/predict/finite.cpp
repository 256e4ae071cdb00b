// SPDX-License-Identifier: Apache-2.0
#include "predict/finite.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/vector_math.hpp>

#include "predict/elements.hpp"

namespace osteon::predict {

// An exponent of all bits.
OSTEON_MULTIVERSION bool any_not_finite(const float* values, std::int64_t count) {
  std::uint32_t any = 0;
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i)
    any |= (sdk::detail::as_bits(values[i]) & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
  return any != 0;
}

void expect_finite(const sdk::Call& call, const osteon_prediction& prediction, std::int64_t first_row) {
  if (prediction.form == OSTEON_FORM_BITS) return;
  const osteon_tensor_view& view = prediction.values.view;
  const Rows rows(view);
  const std::int64_t planes = view.shape[0], height = view.shape[1], width = view.shape[2];
  constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
  std::atomic<std::int64_t> first{kNone};
  std::vector<std::vector<float>> scratch(static_cast<std::size_t>(call.threads()),
                                          std::vector<float>(static_cast<std::size_t>(width)));
  sdk::parallel_for(call, planes, [&](std::int64_t plane, int thread) {
    for (std::int64_t row = plane * height; row < (plane + 1) * height && row < first.load(); ++row) {
      if (!any_not_finite(rows.row(row, scratch[static_cast<std::size_t>(thread)].data()), width)) continue;
      std::int64_t before = first.load();
      while (row < before && !first.compare_exchange_weak(before, row)) {
      }
    }
  });
  if (first == kNone) return;
  const float* values = rows.row(first, scratch[0].data());
  std::int64_t column = 0;
  while (!any_not_finite(values + column, 1)) ++column;
  throw NotFinite(first / height, first_row + first % height, column);
}

Error not_finite_error(const Predictor& predictor, const osteon_image& image, const osteon_predict_request& request,
                       std::uint32_t form, const NotFinite& where) {
  const std::int64_t c = request.n_classes > 0 ? request.classes[where.plane] : where.plane;
  const bool logits = form == OSTEON_FORM_LOGITS;
  return Error(ExitCode::kPlugin,
               predictor.name() + " gives " + (logits ? "logits" : "probabilities") + " of class '" +
                   predictor.classes().names[static_cast<std::size_t>(c)] + "' for " + name_of(image) +
                   " that are not finite, the first in row " + std::to_string(where.row) + ", column " +
                   std::to_string(where.column) +
                   " of its grid; weights that are not finite do that, and values beyond half precision");
}

}  // namespace osteon::predict
