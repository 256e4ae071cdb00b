// SPDX-License-Identifier: Apache-2.0
// What a post-processor says of itself, asks of its inner predictor, and gives.
#include <algorithm>
#include <cmath>

#include "validate/harness/choices.hpp"
#include "validate/postprocessor/probe.hpp"

namespace osteon::validate {
namespace {

constexpr std::uint32_t kAllForms =
    OSTEON_SET(OSTEON_FORM_LOGITS) | OSTEON_SET(OSTEON_FORM_PROBABILITIES) | OSTEON_SET(OSTEON_FORM_BITS);
constexpr std::uint32_t kAllGrids = OSTEON_SET(OSTEON_GRID_MODEL) | OSTEON_SET(OSTEON_GRID_IMAGE);

std::string says_what_it_is(const Subject& subject) {
  std::string report;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const osteon_postprocessor_info first = post.info();
    expect(first.shape == OSTEON_POSTPROCESSOR_MAP || first.shape == OSTEON_POSTPROCESSOR_WRAPPER,
           "info.shape is {}, expected OSTEON_POSTPROCESSOR_MAP or _WRAPPER", first.shape);
    const auto known = [](const char* name, std::uint32_t set, std::uint32_t all) {
      expect(set != 0 && (set & ~all) == 0, "info.{} is {:#x}, expected a set of bits among {:#x}, not empty", name,
             set, all);
    };
    known("needs_forms", first.needs_forms, kAllForms);
    known("needs_grids", first.needs_grids, kAllGrids);
    known("gives_forms", first.gives_forms, kAllForms);
    known("gives_grids", first.gives_grids, kAllGrids);
    const ProbeImage image(20, 31);
    post.process(*post.leaf(), {image}, post.usual_request());
    const osteon_postprocessor_info again = post.info();
    expect(again.shape == first.shape && again.needs_forms == first.needs_forms &&
               again.needs_grids == first.needs_grids && again.gives_forms == first.gives_forms &&
               again.gives_grids == first.gives_grids,
           "info has changed after a prediction");
    report = first.shape == OSTEON_POSTPROCESSOR_MAP ? "a map" : "a wrapper";
  });
  return report;
}

std::string known_without_an_instance(const Subject& subject) {
  const plugin::ComponentSchema& schema = subject.component.schema;
  if (schema.types.empty()) skip("it says what it needs and gives of its instances alone");
  int made = 0;
  for (const plugin::TypeRow& row : schema.types) {
    const auto post = PostprocessorProbe::make(with_choices(subject, row), row.multiclass);
    if (post == nullptr) continue;
    ++made;
    expect(plugin::type_of(post->info()) == row.whole, "for {} an instance's info is another than `types` said",
           row.values.empty() ? "its parameters" : fmt::format("{}", fmt::join(row.values, ", ")));
  }
  return fmt::format("{} of {} combinations could be made", made, schema.types.size());
}

std::string gives_what_is_asked(const Subject& subject) {
  int count = 0;
  for (const std::int64_t n : {3, 33})
    for (const bool multiclass : {false, true}) {
      const auto post = PostprocessorProbe::make(subject, multiclass, n);
      if (post == nullptr) continue;
      const auto leaf = post->leaf();
      const ProbeImage image(40, 61);
      for (osteon_predict_request request : post->requests())
        for (const std::vector<std::int32_t>& classes :
             {std::vector<std::int32_t>{}, {static_cast<std::int32_t>(n - 1)}, {0, static_cast<std::int32_t>(n - 1)}})
          for (const std::uint32_t scale : {OSTEON_SCALE_RECIPE, OSTEON_SCALE_NATIVE}) {
            request.scale = scale;
            request.n_classes = classes.size();
            request.classes = classes.data();
            const std::string what = describe(request);
            const auto predictions = post->process(*leaf, {image}, request);
            const osteon_prediction& raw = predictions.front().raw();
            const osteon_tensor_view& view = raw.values.view;
            const std::int64_t wanted = classes.empty() ? n : static_cast<std::int64_t>(classes.size());
            const bool bits = request.form == OSTEON_FORM_BITS;
            expect(raw.form == request.form, "asked for {} it gave form {}", what, raw.form);
            const std::uint32_t unknown = OSTEON_FLAGS_UNKNOWN(raw.flags, 0);
            expect(unknown == 0, "asked for {} it gave the unknown flags {:#x}", what, unknown);
            expect(view.dtype == (bits ? sdk::dtype_of<std::int32_t>() : sdk::dtype_of<float>()),
                   "asked for {} it gave {}", what, sdk::to_string(view.dtype));
            expect(view.shape[0] == (bits ? (wanted + 31) / 32 : wanted), "asked for {} it gave {}, expected {} planes",
                   what, sdk::shape_text(view), bits ? (wanted + 31) / 32 : wanted);
            const double* m = raw.to_image;
            for (int i = 0; i < 6; ++i)
              expect(std::isfinite(m[i]), "asked for {} it gave a to_image with {}", what, m[i]);
            if (request.grid == OSTEON_GRID_IMAGE) {
              expect(view.shape[1] == 40 && view.shape[2] == 61, "asked for {} of 40 x 61 pixels it gave {}", what,
                     sdk::shape_text(view));
              expect(m[0] == 1 && m[1] == 0 && m[2] == 0 && m[3] == 0 && m[4] == 1 && m[5] == 0,
                     "asked for {} it gave a to_image that is not the identity", what);
            } else {
              expect(std::abs(m[0] * m[4] - m[1] * m[3]) > 1e-9,
                     "asked for {} it gave a to_image that cannot be inverted", what);
            }
            ++count;
          }
    }
  return fmt::format("{} kinds of requests", count);
}

std::string class_subsets_agree(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const auto leaf = post.leaf();
    const ProbeImage image(40, 61);
    osteon_predict_request request = post.usual_request();
    if (request.form == OSTEON_FORM_BITS) return;
    const std::vector<float> all = post.values(*leaf, image, request);
    const std::size_t pixels = all.size() / 3;
    for (std::int32_t k = 0; k < 3; ++k) {
      request.n_classes = 1;
      request.classes = &k;
      const std::vector<float> one = post.values(*leaf, image, request);
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(k) * pixels);
      const Difference apart = difference({begin, begin + static_cast<std::ptrdiff_t>(pixels)}, one);
      expect(apart.worst <= 1e-4, "class {} asked for alone is not what it is among all: {}", k, apart.describe());
    }
  });
  return {};
}

std::string probabilities_in_range(const Subject& subject) {
  bool any = false;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    for (const osteon_predict_request& request : post.requests()) {
      if (request.form != OSTEON_FORM_PROBABILITIES) continue;
      any = true;
      for (const bool steep : {false, true}) {
        const auto leaf = post.leaf();
        if (steep) leaf->spoil_with(80);
        for (const float value : post.values(*leaf, ProbeImage(40, 61), request))
          expect(value >= 0 && value <= 1, "asked for {} it gave {}, expected 0..1", describe(request), value);
      }
    }
  });
  if (!any) skip("it gives no probabilities");
  return {};
}

std::string bits_of_listed_classes(const Subject& subject) {
  bool any = false;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    for (const osteon_predict_request& request : post.requests()) {
      if (request.form != OSTEON_FORM_BITS) continue;
      any = true;
      for (const float word : post.values(*post.leaf(), ProbeImage(40, 61), request))
        expect((static_cast<std::uint32_t>(static_cast<std::int64_t>(word)) & ~7u) == 0,
               "bits of 3 classes have others set: {:#x}", static_cast<std::uint32_t>(static_cast<std::int64_t>(word)));
    }
  });
  if (!any) skip("it gives no bits");
  return {};
}

std::string predictions_canonical(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const ProbeImage image(40, 61);
    for (const osteon_predict_request& request : post.requests())
      for (const sdk::Prediction& prediction : post.process(*post.leaf(), {image}, request))
        expect_owned(prediction.raw().values, "asked for " + describe(request) + ", what it gave");
  });
  return {};
}

// A stroke like an L, bright on dark: one piece of either brightness, so that a filter that keeps the largest piece, or
// drops small ones, keeps it; and moved by some pixels it is hardly itself.
void draw_stroke(ProbeImage& image, std::int64_t side) {
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x) {
      const double from_upright =
          std::hypot(static_cast<double>(x - 14), static_cast<double>(y - std::clamp<std::int64_t>(y, 10, 36)));
      const double from_flat =
          std::hypot(static_cast<double>(x - std::clamp<std::int64_t>(x, 14, 36)), static_cast<double>(y - 36));
      const double distance = std::min(from_upright, from_flat);
      image.pixels().data()[y * side + x] = static_cast<float>(1 / (1 + std::exp(2 * (distance - 3.5))));
    }
}

// The brightness that the leaf sees must come back where it was, as far as it comes back.
std::string masks_stay_in_place(const Subject& subject) {
  constexpr std::int64_t kSide = 48;
  int planes = 0;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    osteon_predict_request request = post.usual_request();
    if (request.form == OSTEON_FORM_BITS || request.grid != OSTEON_GRID_IMAGE) return;
    request.scale = OSTEON_SCALE_NATIVE;
    ProbeImage image(kSide, kSide);
    draw_stroke(image, kSide);
    const std::vector<float> values = post.values(*post.leaf(), image, request);
    for (std::int64_t k = 0; k < 3; ++k) {
      const float* plane = values.data() + k * kSide * kSide;
      const double in_place = correlation(image.pixels().data(), plane, kSide, 0, 0);
      planes += in_place > 0.5 ? 1 : 0;
      for (std::int64_t dy = -4; dy <= 4; ++dy)
        for (std::int64_t dx = -4; dx <= 4; ++dx)
          expect(correlation(image.pixels().data(), plane, kSide, dy, dx) <= in_place + 0.1,
                 "what the inner predictor found comes back moved by {}, {} pixels", dy, dx);
    }
  });
  return fmt::format("{} planes", planes);
}

std::string works_with_what_it_needs(const Subject& subject) {
  int count = 0;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    const ProbeImage image(40, 61);
    for (std::uint32_t form = 0; form < 32; ++form)
      for (std::uint32_t grid = 0; grid < 32; ++grid) {
        if ((post.info().needs_forms & OSTEON_SET(form)) == 0 || (post.info().needs_grids & OSTEON_SET(grid)) == 0)
          continue;
        const auto leaf = post.leaf({OSTEON_SET(form), OSTEON_SET(grid)});
        for (const osteon_predict_request& request : post.requests()) {
          post.process(*leaf, {image}, request);
          ++count;
        }
      }
  });
  return fmt::format("{} pairs of what comes from below and what is asked for", count);
}

std::string maps_call_once(const Subject& subject) {
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    if (post.info().shape != OSTEON_POSTPROCESSOR_MAP) skip("it is a wrapper");
    const ProbeImage first(40, 61), second(30, 20);
    for (const osteon_predict_request& request : post.requests()) {
      const auto leaf = post.leaf();
      post.process(*leaf, {first, second}, request);
      expect(leaf->calls() == 1, "it says that it is a map and called its inner predictor {} times", leaf->calls());
      expect(leaf->last_pixels() == std::vector<const void*>{first.pixels().data(), second.pixels().data()},
             "it says that it is a map and had other images predicted than it was given");
    }
  });
  return {};
}

std::string bands_are_the_whole(const Subject& subject) {
  int count = 0;
  for_each_labels(subject, [&](const PostprocessorProbe& post) {
    if (post.api().open == nullptr) return;
    const auto leaf = post.leaf();
    const ProbeImage image(40, 61);
    const std::vector<std::int32_t> last = {2};
    for (osteon_predict_request request : post.requests())
      for (const bool some : {false, true}) {
        if (request.grid != OSTEON_GRID_IMAGE) continue;
        request.n_classes = some ? last.size() : 0;
        request.classes = last.data();
        const std::vector<float> whole = post.values(*leaf, image, request);
        for (const std::int64_t rows : {1, 7, 40}) {
          const std::optional<std::vector<float>> bands = post.values_by_bands(*leaf, image, request, rows);
          if (!bands) continue;
          const Difference apart = difference(whole, *bands);
          const double allowed = request.form == OSTEON_FORM_BITS ? 0 : 1e-5;
          expect(apart.worst <= allowed, "{} in bands of {} rows are not what they are at once: {}", describe(request),
                 rows, apart.describe());
          ++count;
        }
      }
  });
  if (count == 0) skip("it does not work by bands");
  return fmt::format("{} readings", count);
}

}  // namespace

const std::vector<Check>& postprocessor_result_checks() {
  static const std::vector<Check> checks = {
      {"says-what-it-is", "info is complete, known and constant", says_what_it_is},
      {"known-without-an-instance", "what `types` says of a post-processor, each instance's info says too",
       known_without_an_instance},
      {"gives-what-is-asked", "form, grid, classes, type and shape are those of the request", gives_what_is_asked},
      {"predictions-canonical", "predictions are canonical: row-major without gaps, aligned, of the caller's",
       predictions_canonical},
      {"class-subsets-agree", "a class asked for alone is what it is among all", class_subsets_agree},
      {"probabilities-in-range", "probabilities are 0..1", probabilities_in_range},
      {"bits-of-listed-classes", "bit planes have no bits beyond the classes", bits_of_listed_classes},
      {"masks-stay-in-place", "what the inner predictor found is where it was", masks_stay_in_place},
      {"works-with-what-it-needs", "any one of the forms and grids that it needs is enough; none else is asked for",
       works_with_what_it_needs},
      {"maps-call-once", "a map calls its inner predictor once, on the same images", maps_call_once},
      {"bands-are-the-whole", "what is read in bands, of whatever height, is what is predicted at once",
       bands_are_the_whole},
  };
  return checks;
}

}  // namespace osteon::validate
