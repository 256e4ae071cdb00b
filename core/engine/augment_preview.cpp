// SPDX-License-Identifier: Apache-2.0
#include "engine/augment_preview.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "data/augment.hpp"
#include "data/label_ops.hpp"
#include "data/view.hpp"
#include "engine/augment_source.hpp"
#include "engine/augment_steps.hpp"
#include "engine/session.hpp"
#include "exports/contact_sheet.hpp"
#include "exports/display.hpp"
#include "exports/mask_png.hpp"
#include "exports/overlay.hpp"
#include "exports/palette.hpp"
#include "plugin/interrupt.hpp"

namespace osteon::engine {
namespace {

/// Smaller views are enlarged by a whole factor to about this, so that a person sees something.
constexpr int kLeastTile = 256;
/// Pixels of all tiles together, about 3 GB of a picture.
constexpr double kMostPixels = 1e9;

/// A view on its way to its tile.
struct Shown {
  std::int64_t epoch = 0;  // 0: the view itself
  data::Image image;
  data::Labels labels;
  std::vector<data::AppliedStep> steps;
};

/// How a view becomes a tile.
struct TileScale {
  int enlarge = 1;
  cv::Size size;  // px

  TileScale(cv::Size view, int greatest_side) {
    const int longest = std::max(view.width, view.height);
    enlarge = std::max(1, std::min(kLeastTile, greatest_side) / longest);
    const double factor = enlarge * std::min(1.0, static_cast<double>(greatest_side) / longest);
    size = cv::Size(std::max(1, cvRound(view.width * factor)), std::max(1, cvRound(view.height * factor)));
  }
};

/// Draws tiles that differ in nothing but what was drawn.
class TileMaker {
 public:
  TileMaker(const recipe::DataSection& section, const data::Image& view, const TileScale& scale, bool outlines)
      : section_(section), scale_(scale), outlines_(outlines) {
    const exports::Window window = exports::window_of(view);
    window_ = {window.low / view.maximum, window.high / view.maximum};
  }

  cv::Mat picture(const Shown& shown) const {
    // What the model gets but for mean and standard deviation, on the first view's scale of greys.
    cv::Mat pixels = exports::to_bytes(data::with_channels(data::root_pixels(shown.image), section_.channels), window_);
    if (pixels.channels() == 1) cv::cvtColor(pixels, pixels, cv::COLOR_GRAY2RGB);
    const cv::Size enlarged = pixels.size() * scale_.enlarge;
    if (scale_.enlarge > 1) cv::resize(pixels, pixels, enlarged, 0, 0, cv::INTER_NEAREST);
    if (outlines_) {
      exports::OverlayOptions options;
      options.opacity = 0;
      options.legend = false;
      options.least_height = 1;
      options.greatest_side = std::max(scale_.size.width, scale_.size.height);
      pixels = exports::render_overlay({pixels, 255}, data::resize_nearest(shown.labels, enlarged), section_.classes,
                                       options);
    }
    if (pixels.size() != scale_.size) cv::resize(pixels, pixels, scale_.size, 0, 0, cv::INTER_AREA);
    return pixels;
  }

 private:
  const recipe::DataSection& section_;
  const TileScale& scale_;
  bool outlines_;
  exports::Window window_;  // as a share of the greatest intensity
};

std::string size_text(cv::Size size) { return fmt::format("{} x {}", size.width, size.height); }

/// Part of the pixels about which no label says anything.
double invalid_share(const data::Labels& labels) {
  if (labels.valid().empty()) return 0;
  return 1 - static_cast<double>(cv::countNonZero(labels.valid())) / static_cast<double>(labels.valid().total());
}

std::vector<std::string> caption_of(const Shown& shown, cv::Size file) {
  std::vector<std::string> lines;
  if (shown.epoch == 0) {
    const cv::Size view = shown.image.size();
    lines = {"the view", view == file ? size_text(view) : size_text(view) + " of " + size_text(file)};
  } else {
    lines = {fmt::format("epoch {}", shown.epoch)};
    for (const data::AppliedStep& step : shown.steps) lines.push_back(text_of(step));
    if (shown.steps.empty()) lines.emplace_back("no step ran");
  }
  if (const double share = invalid_share(shown.labels); share > 0)
    lines.push_back(fmt::format("{:.1f} % of the pixels are not valid", 100 * share));
  return lines;
}

std::vector<exports::LegendEntry> legend_of(const std::vector<std::string>& names, const data::Labels& labels) {
  const std::vector<cv::Vec3b> colors = exports::class_colors(labels.classes());
  const std::vector<std::int64_t> areas = labels.areas();
  std::vector<exports::LegendEntry> entries;
  for (std::size_t c = 0; c < names.size(); ++c)
    entries.push_back({static_cast<int>(c + 1), exports::to_ascii(names[c]), colors[c], areas[c] > 0});
  return entries;
}

// Null where there is nothing to say.
template <class T>
nlohmann::ordered_json or_null(bool is_there, const T& value) {
  return is_there ? nlohmann::ordered_json(value) : nlohmann::ordered_json();
}

nlohmann::ordered_json tile_json(const Shown& shown, const recipe::DataSection& section, bool labelled) {
  nlohmann::ordered_json json;
  json["epoch"] = or_null(shown.epoch > 0, shown.epoch);
  json["steps"] = nlohmann::ordered_json::array();
  for (const data::AppliedStep& step : shown.steps) json["steps"].push_back(to_json(step));
  if (!labelled) return json;
  std::size_t c = 0;
  for (const std::int64_t area : shown.labels.areas()) json["areas"][section.classes[c++]] = area;
  json["invalid"] = invalid_share(shown.labels);
  return json;
}

/// What a reader of the sheet has to know, beside what it shows.
std::vector<std::string> remarks_on(const AugmentPreviewRequest& request, const AugmentSource& source) {
  std::vector<std::string> remarks;
  const recipe::DataSection& section = request.recipe.data;
  if (request.recipe.augment.empty())
    remarks.emplace_back("the recipe has no [[augment]]: this is what the model sees in every epoch");
  if (source.part.empty())
    remarks.push_back(
        fmt::format("the image is not in the recipe's data set ({}); its draws are those of an image "
                    "called '{}' there",
                    section.root.string(), source.id));
  else if (source.part != "train")
    remarks.push_back(fmt::format("the image is for {}: training never sees it; its draws are those that it would have",
                                  source.part == "test" ? "testing" : "validation"));
  if (!source.labels)
    remarks.emplace_back(
        "there are no labels of the image, so the picture is shown alone, and steps that go by where "
        "classes lie find none; --labels names a file or folder of labels");
  return remarks;
}

int columns_of(const AugmentPreviewRequest& request, int tiles) {
  if (request.columns > 0) return std::min(request.columns, tiles);
  return static_cast<int>(std::ceil(std::sqrt(tiles)));
}

// What would be lost, or could not be found again.
void expect_new_png(const AugmentPreviewRequest& request) {
  if (request.out.extension() != ".png")
    throw Error(ExitCode::kUsage, "the sheet is a PNG: the name after --out has to end in .png", request.out.string());
  for (const std::filesystem::path& input : {request.image, request.labels}) {
    std::error_code unknown;
    if (std::filesystem::equivalent(request.out, input, unknown))
      throw Error(ExitCode::kUsage, "the sheet would replace what it is made of; name another file by --out",
                  request.out.string());
  }
}

void expect_room(cv::Size tile, int tiles, const AugmentPreviewRequest& request) {
  if (static_cast<double>(tile.area()) * tiles > kMostPixels)
    throw Error(
        ExitCode::kUsage,
        fmt::format("{} tiles of {} px are too much for one sheet; ask for fewer by --count or for smaller ones "
                    "by --tile (now {})",
                    tiles, size_text(tile), request.tile));
}

}  // namespace

nlohmann::ordered_json run_augment_preview(const AugmentPreviewRequest& request, const Context& context) {
  const recipe::Recipe& recipe = request.recipe;
  const recipe::DataSection& section = recipe.data;
  expect_new_png(request);
  const data::AugmentPipeline pipeline(recipe.augment, *context.registry, class_context(section));
  const cv::Size size(section.image_size[1], section.image_size[0]);
  const TileScale scale(size, request.tile);
  const int tiles = recipe.augment.empty() ? 1 : request.count + 1;
  expect_room(scale.size, tiles, request);
  const AugmentSource source = find_augment_source(section, request.image, request.labels);

  Shown view;
  view.image = data::view_of(source.image, size, data::intensity_of(section));
  view.labels = source.labels ? data::resize_nearest(*source.labels, size)
                              : data::Labels(static_cast<int>(section.classes.size()), size);

  const TileMaker maker(section, view.image, scale, source.labels.has_value());
  std::vector<exports::SheetTile> sheet_tiles;
  nlohmann::ordered_json told = nlohmann::ordered_json::array();
  for (int i = 0; i < tiles; ++i) {
    if (plugin::interrupted().load()) throw Interrupted();
    Shown one = view;
    if (i > 0) {
      one.epoch = request.epoch + i - 1;
      const auto key = data::sample_key(static_cast<std::uint64_t>(recipe.train.seed), one.epoch - 1, source.id);
      pipeline.apply(call_of(context), key, one.image, one.labels, 0, &one.steps);
    }
    sheet_tiles.push_back({maker.picture(one), caption_of(one, source.image.size())});
    told.push_back(tile_json(one, section, source.labels.has_value()));
  }

  const int columns = columns_of(request, tiles);
  const std::string heading = fmt::format("{}  {}  seed {}", recipe.name, source.id, recipe.train.seed);
  const exports::ContactSheet sheet = exports::render_contact_sheet(
      heading, sheet_tiles, columns,
      source.labels ? legend_of(section.classes, view.labels) : std::vector<exports::LegendEntry>());
  exports::write_png(request.out, sheet.picture);
  for (std::size_t i = 0; i < told.size(); ++i) {
    told[i]["x"] = sheet.tiles[i].x;
    told[i]["y"] = sheet.tiles[i].y;
  }
  return {{"sheet", request.out.string()},
          {"height", sheet.picture.rows},
          {"width", sheet.picture.cols},
          {"image", request.image.string()},
          {"id", source.id},
          {"part", or_null(!source.part.empty(), source.part)},
          {"labels", or_null(source.labels.has_value(), source.labels_from)},
          {"seed", recipe.train.seed},
          {"view", {size.height, size.width}},
          {"tile", {scale.size.height, scale.size.width}},
          {"columns", columns},
          {"remarks", remarks_on(request, source)},
          {"tiles", std::move(told)}};
}

}  // namespace osteon::engine
