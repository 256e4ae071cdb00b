// SPDX-License-Identifier: Apache-2.0
#include "plugin/loss.hpp"

#include "plugin/handle_support.hpp"
#include "plugin/interrupt.hpp"

namespace osteon::plugin {

Loss::Loss(LoadedComponent component, const Parameters& parameters, const ClassContext& classes, const Call& call)
    : component_(std::move(component)) {
  const ValueArray values(component_.schema, parameters, classes);
  const auto names = name_pointers(classes.names);
  auto request = sdk::sized<osteon_loss_request>();
  request.labels = labels_of(classes);
  request.n_classes = static_cast<std::int64_t>(names.size());
  request.class_names = names.data();
  check_call(
      component_, "create",
      [&](osteon_error* error) { return api().create(call.raw(), values.get(), &request, &loss_, error); }, call.raw());
  if (loss_ == nullptr) misbehaved(component_, "create", "returned OK without a loss");
}

Loss::~Loss() { api().destroy(loss_); }

double Loss::evaluate(const Call& call, const osteon_loss_input& input) const {
  double value = 0;
  check_call(
      component_, "evaluate",
      [&](osteon_error* error) { return api().evaluate(call.raw(), loss_, &input, &value, error); }, call.raw());
  return value;
}

std::optional<std::string> Loss::refusal(const Call& call, const osteon_loss_input& input) const {
  double value = 0;
  sdk::ErrorBuffer why;
  const osteon_status status = [&] {
    const RunningCall running("loss '" + component_.schema.name + "'", "evaluate");
    return api().evaluate(call.raw(), loss_, &input, &value, why.out());
  }();
  if (status == OSTEON_UNSUPPORTED) return why.text();
  check_call(
      component_, "evaluate",
      [&](osteon_error* error) { return sdk::detail::report(error, status, why.text().c_str()); }, call.raw());
  return std::nullopt;
}

}  // namespace osteon::plugin
