// SPDX-License-Identifier: Apache-2.0
#include "plugin/ensembler.hpp"

#include "plugin/handle_support.hpp"

namespace osteon::plugin {

Ensembler::Ensembler(LoadedComponent component, const Parameters& parameters, const ClassContext& classes,
                     const std::vector<std::string>& members, const Call& call)
    : component_(std::move(component)) {
  const ValueArray values(component_.schema, parameters, classes);
  const auto names = name_pointers(classes.names);
  const auto member_names = name_pointers(members);
  osteon_ensembler_request request{};
  request.struct_size = sizeof request;
  request.labels = labels_of(classes);
  request.n_classes = static_cast<std::int64_t>(names.size());
  request.class_names = names.data();
  request.n_members = static_cast<std::int64_t>(member_names.size());
  request.member_names = member_names.data();
  check_call(component_, "create",
             [&](osteon_error* error) { return api().create(call.raw(), values.get(), &request, &ensembler_, error); });
  if (ensembler_ == nullptr) misbehaved(component_, "create", "returned OK without an ensembler");
  const osteon_ensembler_info* info = api().info(ensembler_);
  if (info == nullptr ||
      (info->fits != 0 && (api().fit_begin == nullptr || api().fit_add == nullptr || api().fit_end == nullptr))) {
    api().destroy(ensembler_);
    misbehaved(component_, "info", "is missing, or says that it fits without functions to fit with");
  }
}

Ensembler::~Ensembler() { api().destroy(ensembler_); }

const osteon_ensembler_info& Ensembler::info() const noexcept { return *api().info(ensembler_); }

std::vector<NamedTensor> Ensembler::tensors() {
  std::vector<NamedTensor> tensors;
  if (api().tensors == nullptr) return tensors;
  std::uint64_t count = 0;
  const osteon_named_tensor* const* list = nullptr;
  check_call(component_, "tensors",
             [&](osteon_error* error) { return api().tensors(ensembler_, &count, &list, error); });
  check_named(component_, count, list);
  for (std::uint64_t i = 0; i < count; ++i)
    tensors.push_back({list[i]->name, list[i]->role == OSTEON_TENSOR_PARAMETER, &list[i]->value, nullptr});
  return tensors;
}

void Ensembler::fit_begin(const Call& call, const osteon_tensor_view* dice) {
  check_call(component_, "fit_begin",
             [&](osteon_error* error) { return api().fit_begin(call.raw(), ensembler_, dice, error); });
}

void Ensembler::fit_add(const Call& call, const osteon_band& band,
                        const std::vector<const osteon_tensor_view*>& members, const osteon_tensor_view& target,
                        const osteon_tensor_view* valid) {
  check_call(component_, "fit_add", [&](osteon_error* error) {
    return api().fit_add(call.raw(), ensembler_, &band, members.size(), members.data(), &target, valid, error);
  });
}

void Ensembler::fit_end(const Call& call) {
  check_call(component_, "fit_end", [&](osteon_error* error) { return api().fit_end(call.raw(), ensembler_, error); });
}

bool Ensembler::needed(std::int64_t member, std::int64_t class_index) const {
  return api().needed(ensembler_, member, class_index) != 0;
}

Ensembler::Accumulation Ensembler::begin(const osteon_call* call, const osteon_band& band) const {
  osteon_accumulation* handle = nullptr;
  check_call(component_, "begin",
             [&](osteon_error* error) { return api().begin(call, ensembler_, &band, &handle, error); });
  if (handle == nullptr) misbehaved(component_, "begin", "returned OK without an accumulation");
  return Accumulation(this, handle, band);
}

Ensembler::Accumulation::~Accumulation() {
  if (handle_ == nullptr) return;
  const Call call;
  owner_->api().finish(call.raw(), handle_, nullptr, nullptr);
}

void Ensembler::Accumulation::add(const osteon_call* call, std::int64_t member, const osteon_tensor_view& prediction) {
  check_call(owner_->component_, "add",
             [&](osteon_error* error) { return owner_->api().add(call, handle_, member, &prediction, error); });
}

sdk::OwnedTensor Ensembler::Accumulation::finish(const osteon_call* call) {
  sdk::OwnedTensor out;
  osteon_tensor* given = out.out();
  osteon_accumulation* handle = handle_;
  handle_ = nullptr;
  check_call(owner_->component_, "finish",
             [&](osteon_error* error) { return owner_->api().finish(call, handle, given, error); });
  if (out.empty()) misbehaved(owner_->component_, "finish", "returned OK without a tensor");
  const bool bits = owner_->info().gives == OSTEON_FORM_BITS;
  check_owned(owner_->component_, "finish", *given, {bits ? (n_classes_ + 31) / 32 : n_classes_, height_, width_},
              {bits ? sdk::dtype_of<std::int32_t>() : sdk::dtype_of<float>()}, call->device);
  return out;
}

}  // namespace osteon::plugin
