// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/creator.hpp"

#include <osteon/abi/all.h>

#include "plugin/handle_support.hpp"

namespace osteon::validate {
namespace {

using plugin::Kind;

// A pointer that no instance can have, to see whether an out-argument was written.
void* const kUntouched = reinterpret_cast<void*>(0x5afe);

}  // namespace

Creator::Creator(const Subject& subject) : component_(subject.component), channels_(subject.channels.value_or(3)) {
  member_names_ = {"first", "second"};
  predictor_ = sdk::sized<osteon_predictor>();
  predictor_.labels = OSTEON_LABELS_MULTILABEL;
  predictor_.n_classes = subject.classes.value_or(3);
  predictor_.predict = [](const osteon_call*, const osteon_predictor*, std::uint64_t, const osteon_image* const*,
                          const osteon_predict_request*, osteon_prediction* const*,
                          osteon_error*) -> osteon_status { return OSTEON_FAILED; };
  predictor_.gives_forms = OSTEON_SET(OSTEON_FORM_LOGITS) | OSTEON_SET(OSTEON_FORM_PROBABILITIES);
  predictor_.gives_grids = OSTEON_SET(OSTEON_GRID_MODEL) | OSTEON_SET(OSTEON_GRID_IMAGE);
  for (const bool multiclass : {false, true}) {
    classes_ = classes_of(subject.classes.value_or(3), multiclass);
    class_names_.clear();
    for (const std::string& name : classes_.names) class_names_.push_back(name.c_str());
    predictor_.class_names = class_names_.data();
    values_ = std::make_unique<plugin::ValueArray>(component_.schema, usual_parameters(subject), classes_,
                                                   [this](const std::string&) { return &predictor_; });
    usual_.assign(values_->get(), values_->get() + component_.schema.parameters.size());
    if (component_.schema.kind == Kind::kModel || component_.schema.kind == Kind::kAugmentation) return;
    const Made made = create(usual_);
    if (made.outcome.ok()) destroy(made.instance);
    if (made.outcome.status != OSTEON_UNSUPPORTED) return;  // a loss may be for labels of one class per pixel
  }
}

Creator::~Creator() = default;

Creator::Made Creator::create(const std::vector<const osteon_value*>& values, const Ask& ask) const {
  const auto n_classes = static_cast<std::int64_t>(class_names_.size());
  const SentList<osteon_value> sent(values.size(), values.data());
  // Fills in what requests of all kinds have, and calls create.
  const auto make = [&](const auto& api, auto request, auto* handle) {
    request.flags = ask.flags;
    request.n_classes = n_classes;
    request.class_names = class_names_.data();
    const SteeredCall call;
    handle = reinterpret_cast<decltype(handle)>(kUntouched);
    Made made;
    made.outcome = attempt([&](osteon_error* own) {
      return api.create(ask.call != nullptr ? ask.call : call.raw(), sent.get(), Sent(request), &handle,
                        ask.error != nullptr ? ask.error : own);
    });
    made.out_touched = handle != reinterpret_cast<decltype(handle)>(kUntouched);
    made.instance = made.out_touched ? handle : nullptr;
    return made;
  };
  const std::uint32_t labels = ask.labels.value_or(plugin::labels_of(classes_));
  switch (component_.schema.kind) {
    case Kind::kModel: {
      auto request = sdk::sized<osteon_model_request>();
      request.in_channels = channels_;
      request.seed = 1;
      return make(component_.api<osteon_model_api>(), request, static_cast<osteon_model*>(nullptr));
    }
    case Kind::kLoss: {
      auto request = sdk::sized<osteon_loss_request>();
      request.labels = labels;
      return make(component_.api<osteon_loss_api>(), request, static_cast<osteon_loss*>(nullptr));
    }
    case Kind::kAugmentation:
      return make(component_.api<osteon_augmentation_api>(), sdk::sized<osteon_augmentation_request>(),
                  static_cast<osteon_augmentation*>(nullptr));
    case Kind::kPostprocessor: {
      auto request = sdk::sized<osteon_postprocessor_request>();
      request.labels = labels;
      return make(component_.api<osteon_postprocessor_api>(), request, static_cast<osteon_postprocessor*>(nullptr));
    }
    case Kind::kEnsembler: {
      auto request = sdk::sized<osteon_ensembler_request>();
      request.labels = labels;
      request.n_members = static_cast<std::int64_t>(member_names_.size());
      request.member_names = member_names_.data();
      return make(component_.api<osteon_ensembler_api>(), request, static_cast<osteon_ensembler*>(nullptr));
    }
  }
  return {};
}

void Creator::destroy(void* instance) const {
  switch (component_.schema.kind) {
    case Kind::kModel:
      return component_.api<osteon_model_api>().destroy(static_cast<osteon_model*>(instance));
    case Kind::kLoss:
      return component_.api<osteon_loss_api>().destroy(static_cast<osteon_loss*>(instance));
    case Kind::kAugmentation:
      return component_.api<osteon_augmentation_api>().destroy(static_cast<osteon_augmentation*>(instance));
    case Kind::kPostprocessor:
      return component_.api<osteon_postprocessor_api>().destroy(static_cast<osteon_postprocessor*>(instance));
    case Kind::kEnsembler:
      return component_.api<osteon_ensembler_api>().destroy(static_cast<osteon_ensembler*>(instance));
  }
}

void Creator::live_and_die() const {
  const Made made = create(usual_);
  expect_ok(made.outcome, "create with its defaults");
  expect(made.out_touched && made.instance != nullptr, "create returned OK without an instance");
  destroy(made.instance);
}

}  // namespace osteon::validate
