// SPDX-License-Identifier: Apache-2.0
#include "validate/postprocessor/probe.hpp"

#include <algorithm>

#include "plugin/handle_support.hpp"

namespace osteon::validate {
namespace {

constexpr std::uint32_t kForms[] = {OSTEON_FORM_PROBABILITIES, OSTEON_FORM_LOGITS, OSTEON_FORM_BITS};
constexpr std::uint32_t kGrids[] = {OSTEON_GRID_IMAGE, OSTEON_GRID_MODEL};

}  // namespace

std::string describe(const osteon_predict_request& request) {
  const char* form = request.form == OSTEON_FORM_LOGITS          ? "logits"
                     : request.form == OSTEON_FORM_PROBABILITIES ? "probabilities"
                     : request.form == OSTEON_FORM_BITS          ? "bits"
                                                                 : "an unknown form";
  const char* grid = request.grid == OSTEON_GRID_MODEL   ? "the model's grid"
                     : request.grid == OSTEON_GRID_IMAGE ? "the image's grid"
                                                         : "an unknown grid";
  return fmt::format("{} on {}{}", form, grid,
                     request.n_classes > 0 ? fmt::format(", {} of the classes", request.n_classes) : "");
}

PostprocessorProbe::PostprocessorProbe(const Subject& subject, bool multiclass, std::int64_t n_classes,
                                       Outcome* outcome)
    : api_(subject.component.api<osteon_postprocessor_api>()), classes_(classes_of(n_classes, multiclass)) {
  const plugin::ValueArray values(subject.component.schema, usual_parameters(subject), classes_,
                                  [this](const std::string&) {
                                    others_.push_back(std::make_unique<LeafPredictor>(classes_, predict::Gives()));
                                    return others_.back()->checked();
                                  });
  const auto names = plugin::name_pointers(classes_.names);
  auto request = sdk::sized<osteon_postprocessor_request>();
  request.labels = plugin::labels_of(classes_);
  request.n_classes = n_classes;
  request.class_names = names.data();
  const SteeredCall call;
  *outcome = attempt([&](osteon_error* e) { return api_.create(call.raw(), values.get(), &request, &post_, e); });
  expect(outcome->ok() == (post_ != nullptr), "create returned {} {} a post-processor", outcome->describe(),
         post_ != nullptr ? "with" : "without");
  if (post_ != nullptr) fit_ = FitProbe::of(subject.component, post_);
}

std::unique_ptr<PostprocessorProbe> PostprocessorProbe::make(const Subject& subject, bool multiclass,
                                                             std::int64_t n_classes, bool raw) {
  Outcome outcome;
  std::unique_ptr<PostprocessorProbe> probe(new PostprocessorProbe(subject, multiclass, n_classes, &outcome));
  if (!outcome.ok()) {
    expect_refused(outcome, {OSTEON_UNSUPPORTED}, multiclass ? "create for multiclass data" : "create");
    return nullptr;
  }
  expect(probe->fit() != nullptr || !probe->must_fit(), "it says that it fits, and has no extension {}",
         OSTEON_EXTENSION_FIT);
  if (!raw && probe->must_fit()) probe->fit()->fit(probe->plan());
  return probe;
}

PostprocessorProbe::~PostprocessorProbe() {
  if (post_ != nullptr) api_.destroy(post_);
}

osteon_postprocessor_info PostprocessorProbe::info() const {
  return sdk::known(api_.info(post_), "what info gave", OSTEON_POSTPROCESSOR_FITS);
}

FitPlan PostprocessorProbe::plan() const {
  FitPlan plan;
  plan.classes = static_cast<std::int64_t>(classes_.names.size());
  plan.multiclass = classes_.multiclass;
  // The host's own order, from the last to the first.
  for (const std::uint32_t form : {OSTEON_FORM_BITS, OSTEON_FORM_PROBABILITIES, OSTEON_FORM_LOGITS})
    if ((info().needs_forms & OSTEON_SET(form)) != 0) plan.form = form;
  return plan;
}

std::unique_ptr<LeafPredictor> PostprocessorProbe::leaf(const predict::Gives& gives) const {
  return std::make_unique<LeafPredictor>(classes_, gives);
}

std::vector<osteon_predict_request> PostprocessorProbe::requests() const {
  std::vector<osteon_predict_request> requests;
  for (const std::uint32_t form : kForms)
    for (const std::uint32_t grid : kGrids)
      if ((info().gives_forms & OSTEON_SET(form)) != 0 && (info().gives_grids & OSTEON_SET(grid)) != 0)
        requests.push_back(sdk::make_request(form, grid));
  expect(!requests.empty(), "it gives no form on any grid");
  return requests;
}

osteon_predict_request PostprocessorProbe::usual_request() const { return requests().front(); }

ProcessResult PostprocessorProbe::try_process(const LeafPredictor& inner,
                                              const std::vector<const osteon_image*>& images,
                                              const osteon_predict_request& request, const osteon_call* call) const {
  ProcessResult result;
  result.predictions.resize(images.size());
  sdk::detail::OutPredictions out(result.predictions);
  const SentList<osteon_image> sent(images.size(), images.data());
  const SteeredCall own;
  result.outcome = attempt([&](osteon_error* e) {
    return api_.process(call != nullptr ? call : own.raw(), post_, Sent(*inner.checked()), images.size(), sent.get(),
                        Sent(request), out.data(), e);
  });
  for (const sdk::Prediction& prediction : result.predictions) {
    const osteon_prediction& raw = prediction.raw();
    expect(raw.struct_size == sizeof raw, "it changed an osteon_prediction's struct_size to {}", raw.struct_size);
    expect(result.outcome.ok() || raw.values.release == nullptr, "process returned {} and left a prediction behind",
           result.outcome.describe());
    expect(raw.error != nullptr, "it changed the `error` of an osteon_prediction; it is the caller's");
  }
  out.take();
  return result;
}

std::vector<sdk::Prediction> PostprocessorProbe::process(const LeafPredictor& inner,
                                                         const std::vector<const osteon_image*>& images,
                                                         const osteon_predict_request& request,
                                                         const osteon_call* call) const {
  ProcessResult result = try_process(inner, images, request, call);
  inner.expect_well_used();
  expect_ok(result.outcome, "process for " + describe(request));
  for (const sdk::Prediction& prediction : result.predictions) {
    const osteon_prediction& raw = prediction.raw();
    expect(raw.status == OSTEON_OK, "process returned OK and gave a prediction the status {}", raw.status);
    expect(raw.values.view.data != nullptr && raw.values.release != nullptr,
           "process returned OK without a prediction that can be owned");
    expect(raw.values.view.ndim == 3, "a prediction has {} dimensions, expected [K, H, W]", raw.values.view.ndim);
  }
  return std::move(result.predictions);
}

std::vector<float> PostprocessorProbe::values(const LeafPredictor& inner, const osteon_image* image,
                                              const osteon_predict_request& request, const osteon_call* call) const {
  return floats_of(process(inner, {image}, request, call).front());
}

std::optional<std::vector<float>> PostprocessorProbe::values_by_bands(const LeafPredictor& inner,
                                                                      const osteon_image* image,
                                                                      const osteon_predict_request& request,
                                                                      std::int64_t rows) const {
  expect(api_.read != nullptr && api_.close != nullptr, "it has `open`, and not both of `read` and `close`");
  const std::string what = "for " + describe(request) + " in bands";
  osteon_reading* reading = nullptr;
  {
    const SteeredCall own;  // gone before the first band is read
    expect_ok(attempt([&](osteon_error* e) {
                return api_.open(own.raw(), post_, inner.checked(), image, &request, &reading, e);
              }),
              "open " + what);
  }
  if (reading == nullptr) return std::nullopt;
  const std::int64_t height = image->pixels.shape[0], width = image->pixels.shape[1];
  std::vector<float> values;
  for (std::int64_t first = 0; first < height; first += rows) {
    const SteeredCall own;
    const std::int64_t count = std::min(rows, height - first);
    sdk::Prediction band;
    expect_ok(attempt([&](osteon_error* e) { return api_.read(own.raw(), post_, reading, count, &band.raw(), e); }),
              "read " + what);
    expect_owned(band.raw().values, "read " + what + ", what it gave");
    expect(band.raw().form == request.form, "read {} gave form {}", what, band.raw().form);
    expect(band.view().ndim == 3 && band.height() == count && band.width() == width,
           "read {} gave {} where {} rows of {} pixels were asked for", what, sdk::shape_text(band.view()), count,
           width);
    const double place[6] = {1, 0, 0, 0, 1, static_cast<double>(first)};
    expect(std::equal(place, place + 6, band.raw().to_image),
           "read {} gave a to_image that is not that of row {} of the image", what, first);
    const std::vector<float> part = floats_of(band);
    const auto size = static_cast<std::size_t>(count * width);
    values.resize(part.size() / size * static_cast<std::size_t>(height * width));
    for (std::size_t k = 0; k < part.size() / size; ++k)
      std::copy_n(part.begin() + static_cast<std::ptrdiff_t>(k * size), size,
                  values.begin() + static_cast<std::ptrdiff_t>(static_cast<std::int64_t>(k) * height * width) +
                      static_cast<std::ptrdiff_t>(first * width));
  }
  api_.close(post_, reading);
  inner.expect_well_used();
  return values;
}

void for_each_labels(const Subject& subject, const std::function<void(const PostprocessorProbe& post)>& body) {
  bool any = false;
  for (const bool multiclass : {false, true}) {
    const auto post = PostprocessorProbe::make(subject, multiclass);
    if (post == nullptr) continue;
    any = true;
    body(*post);
  }
  expect(any, "create refuses multilabel data and multiclass data");
}

const std::vector<Check>& postprocessor_checks() {
  static const std::vector<Check> checks = [] {
    std::vector<Check> all;
    for (const auto* topic :
         {&postprocessor_result_checks(), &postprocessor_input_checks(), &postprocessor_host_checks()})
      all.insert(all.end(), topic->begin(), topic->end());
    return all;
  }();
  return checks;
}

}  // namespace osteon::validate
