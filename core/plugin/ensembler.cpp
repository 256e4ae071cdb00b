// SPDX-License-Identifier: Apache-2.0
#include "plugin/ensembler.hpp"

#include "plugin/handle_support.hpp"
#include "plugin/type_table.hpp"

namespace osteon::plugin {

Ensembler::Ensembler(LoadedComponent component, const Parameters& parameters, const ClassContext& classes,
                     const std::vector<std::string>& members, const Call& call, std::vector<std::uint8_t> has_class)
    : component_(std::move(component)),
      api_(component_.api<osteon_ensembler_api>()),
      n_members_(static_cast<std::int64_t>(members.size())),
      n_classes_(static_cast<std::int64_t>(classes.names.size())),
      has_class_(std::move(has_class)) {
  const ValueArray values(component_.schema, parameters, classes);
  const auto names = name_pointers(classes.names);
  const auto member_names = name_pointers(members);
  auto request = sdk::sized<osteon_ensembler_request>();
  request.labels = labels_of(classes);
  request.n_classes = n_classes_;
  request.class_names = names.data();
  request.n_members = n_members_;
  request.member_names = member_names.data();
  request.has_class = has_class_.empty() ? nullptr : has_class_.data();
  check_call(
      component_, "create",
      [&](osteon_error* error) { return api_.create(call.raw(), values.get(), &request, &ensembler_, error); },
      call.raw());
  if (ensembler_ == nullptr) misbehaved(component_, "create", "returned OK without an ensembler");
  try {
    read_info();
    sdk::Beneath everything;
    everything.multiclass = classes.multiclass;
    if (const auto type = type_of(component_.schema, parameters, everything); type && !(*type == type_of(info_)))
      misbehaved(component_, "info", "does not agree with what `types` said of these parameters");
  } catch (...) {
    api_.destroy(ensembler_);
    throw;
  }
}

void Ensembler::read_info() {
  info_ = known_of(component_, "info", api_.info(ensembler_), "its info", std::uint32_t{OSTEON_ENSEMBLER_FITS});
  if (info_.takes < OSTEON_FORM_LOGITS || info_.takes > OSTEON_FORM_BITS ||
      (info_.gives != OSTEON_FORM_PROBABILITIES && info_.gives != OSTEON_FORM_BITS))
    misbehaved(component_, "info",
               "takes form " + std::to_string(info_.takes) + " and gives form " + std::to_string(info_.gives));
  if ((info_.flags & OSTEON_ENSEMBLER_FITS) != 0) fit_.emplace(component_, ensembler_);
}

Ensembler::~Ensembler() { api_.destroy(ensembler_); }

bool Ensembler::has_class(std::int64_t member, std::int64_t class_index) const noexcept {
  return has_class_.empty() || has_class_[static_cast<std::size_t>(member * n_classes_ + class_index)] != 0;
}

bool Ensembler::needed(std::int64_t member, std::int64_t class_index) const {
  return has_class(member, class_index) && api_.needed(ensembler_, member, class_index) != 0;
}

Ensembler::Accumulation Ensembler::begin(const osteon_call* call, const osteon_band& band) const {
  osteon_accumulation* handle = nullptr;
  check_call(
      component_, "begin", [&](osteon_error* error) { return api_.begin(call, ensembler_, &band, &handle, error); },
      call);
  if (handle == nullptr) misbehaved(component_, "begin", "returned OK without an accumulation");
  return Accumulation(this, handle, band);
}

Ensembler::Accumulation::~Accumulation() {
  if (handle_ == nullptr) return;
  const Call call;
  owner_->api_.finish(call.raw(), handle_, nullptr, nullptr);
}

void Ensembler::Accumulation::add(const osteon_call* call, std::int64_t member, const osteon_tensor_view& prediction) {
  check_call(
      owner_->component_, "add",
      [&](osteon_error* error) { return owner_->api_.add(call, handle_, member, &prediction, error); }, call);
}

sdk::OwnedTensor Ensembler::Accumulation::finish(const osteon_call* call) {
  osteon_tensor given{};
  given.struct_size = sizeof given;
  osteon_accumulation* handle = handle_;
  handle_ = nullptr;
  check_call(
      owner_->component_, "finish",
      [&](osteon_error* error) { return owner_->api_.finish(call, handle, &given, error); }, call);
  if (given.release == nullptr) misbehaved(owner_->component_, "finish", "returned OK without a tensor");
  sdk::OwnedTensor out(given);
  const bool bits = owner_->info_.gives == OSTEON_FORM_BITS;
  check_owned(owner_->component_, "finish", given, {bits ? (n_classes_ + 31) / 32 : n_classes_, height_, width_},
              {bits ? sdk::dtype_of<std::int32_t>() : sdk::dtype_of<float>()}, call->device);
  return out;
}

}  // namespace osteon::plugin
