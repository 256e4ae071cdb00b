// SPDX-License-Identifier: Apache-2.0
#include "engine/post_preview.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "data/image.hpp"
#include "engine/open_run.hpp"
#include "engine/session.hpp"
#include "exports/contact_sheet.hpp"
#include "exports/display.hpp"
#include "exports/mask_png.hpp"
#include "exports/overlay.hpp"
#include "exports/palette.hpp"
#include "predict/predict.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

constexpr int kEnlargedTo = 384;  // px; smaller images are enlarged by a whole factor to about this
const cv::Vec3b kAdded(0, 200, 80), kRemoved(230, 60, 60);

void expect_new_sheet(const PostPreviewRequest& request) {
  if (request.out.extension() != ".png")
    throw Error(ExitCode::kUsage, "the sheet is a PNG: the name after --out has to end in .png", request.out.string());
  std::error_code unknown;
  if (fs::equivalent(request.out, request.image, unknown))
    throw Error(ExitCode::kUsage, "the sheet would replace the image; name another file by --out",
                request.out.string());
}

/// The masks at one place of the chain.
struct Stage {
  std::string name;
  data::Labels labels;
};

std::vector<Stage> stages_of(const OpenedRun& run, const recipe::Recipe& recipe, const data::Image& image,
                             const std::string& name, const Context& context) {
  const predict::Decision decision = predict::decision_of(recipe);
  const plugin::Call call = call_of(context);
  std::vector<Stage> stages;
  stages.push_back(
      {run.bottom->name() + " alone", predict::predict_labels(call.raw(), *run.bottom, image, name, decision)});
  for (std::size_t i = 0; i < run.chain.steps.size(); ++i)
    stages.push_back({fmt::format("after {} (predict.post[{}])", recipe.predict.post[i].plugin, i),
                      predict::predict_labels(call.raw(), *run.chain.steps[i], image, name, decision)});
  return stages;
}

/// Pixels of one class or more that a stage has and another has not.
struct Change {
  std::int64_t added = 0, removed = 0;
  std::vector<std::string> classes;  // in which any did

  Change(const data::Labels& before, const data::Labels& after, const std::vector<std::string>& names) {
    for (std::size_t c = 0; c < names.size(); ++c) {
      const cv::Mat a = before.mask(static_cast<int>(c)), b = after.mask(static_cast<int>(c));
      const int more = cv::countNonZero(b & ~a), less = cv::countNonZero(a & ~b);
      added += more;
      removed += less;
      if (more + less > 0) classes.push_back(names[c]);
    }
  }
  std::vector<std::string> lines() const {
    if (classes.empty()) return {"nothing changed"};
    return {fmt::format("{} pixels added, {} removed", added, removed), fmt::format("in {}", fmt::join(classes, ", "))};
  }
};

class Pictures {
 public:
  Pictures(const data::Image& image, const std::vector<std::string>& classes, int greatest_side)
      : image_(image), classes_(classes) {
    const int longest = std::max(image.size().width, image.size().height);
    options_.legend = false;
    options_.least_height = std::min(kEnlargedTo, greatest_side);
    options_.greatest_side = greatest_side;
    plain_ = render(data::Labels(static_cast<int>(classes.size()), image.size()));
    shown_ = static_cast<double>(std::max(plain_.cols, plain_.rows)) / longest;
  }
  const cv::Mat& plain() const { return plain_; }
  cv::Mat of(const data::Labels& labels) const { return render(labels); }

  // Green where a class was added, red where one was taken away, whichever they are.
  cv::Mat difference(const data::Labels& before, const data::Labels& after) const {
    cv::Mat added(image_.size(), CV_8UC1, cv::Scalar(0)), removed = added.clone();
    for (std::size_t p = 0; p < before.planes().size(); ++p) {
      const cv::Mat &a = before.planes()[p], &b = after.planes()[p];
      added |= (b & ~a) != 0;
      removed |= (a & ~b) != 0;
    }
    cv::Mat picture = plain_.clone();
    paint(added, kAdded, picture);
    paint(removed, kRemoved, picture);
    return picture;
  }

 private:
  cv::Mat render(const data::Labels& labels) const {
    return exports::render_overlay(image_, labels, classes_, options_);
  }
  // A single pixel stays to be seen in a picture that is smaller than the image.
  void paint(cv::Mat where, cv::Vec3b color, cv::Mat& picture) const {
    if (shown_ < 1) {
      const int side = static_cast<int>(1 / shown_) + 1;
      cv::dilate(where, where, cv::Mat::ones(side, side, CV_8UC1));
    }
    cv::resize(where, where, picture.size(), 0, 0, cv::INTER_NEAREST);
    picture.setTo(color, where);
  }

  const data::Image& image_;
  const std::vector<std::string>& classes_;
  exports::OverlayOptions options_;
  cv::Mat plain_;
  double shown_ = 1;
};

std::vector<exports::LegendEntry> legend_of(const std::vector<std::string>& names, const std::vector<Stage>& stages) {
  const std::vector<cv::Vec3b> colors = exports::class_colors(static_cast<int>(names.size()));
  std::vector<exports::LegendEntry> entries;
  for (std::size_t c = 0; c < names.size(); ++c) {
    const bool present =
        std::any_of(stages.begin(), stages.end(), [&](const Stage& stage) { return stage.labels.areas()[c] > 0; });
    entries.push_back({static_cast<int>(c + 1), exports::to_ascii(names[c]), colors[c], present});
  }
  return entries;
}

nlohmann::ordered_json stage_json(const Stage& stage, const std::vector<std::string>& classes) {
  nlohmann::ordered_json json = {{"name", stage.name}};
  std::size_t c = 0;
  for (const std::int64_t area : stage.labels.areas()) json["areas"][classes[c++]] = area;
  return json;
}

}  // namespace

nlohmann::ordered_json run_post_preview(const PostPreviewRequest& request, const Context& context) {
  expect_new_sheet(request);
  const recipe::Recipe& recipe = request.recipe;
  const std::vector<std::string>& classes = recipe.data.classes;
  const data::Image image = data::read_image(request.image);
  const OpenedRun run = open_run(request.run, recipe, context);
  const std::string name = request.image.filename().string();
  const std::vector<Stage> stages = stages_of(run, recipe, image, name, context);

  const Pictures pictures(image, classes, request.tile);
  std::vector<exports::SheetTile> tiles = {
      {pictures.plain(), {"the image", fmt::format("{} x {}", image.size().width, image.size().height)}}};
  nlohmann::ordered_json told = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < stages.size(); ++i) {
    exports::SheetTile tile{pictures.of(stages[i].labels), {stages[i].name}};
    told.push_back(stage_json(stages[i], classes));
    if (i > 0) {
      const Change change(stages[i - 1].labels, stages[i].labels, classes);
      for (std::string& line : change.lines()) tile.caption.push_back(std::move(line));
      told.back()["added"] = change.added;
      told.back()["removed"] = change.removed;
    }
    tiles.push_back(std::move(tile));
  }
  if (stages.size() > 1)
    tiles.push_back({pictures.difference(stages.front().labels, stages.back().labels),
                     {"what the chain changes", "green: added; red: removed"}});
  // Rows of at most four, as even as can be.
  const auto count = static_cast<int>(tiles.size()), rows = (count + 3) / 4, columns = (count + rows - 1) / rows;
  const exports::ContactSheet sheet = exports::render_contact_sheet(fmt::format("{}  {}", recipe.name, name), tiles,
                                                                    columns, legend_of(classes, stages));
  exports::write_png(request.out, sheet.picture);
  return {{"sheet", request.out.string()},   {"height", sheet.picture.rows}, {"width", sheet.picture.cols},
          {"image", request.image.string()}, {"run", request.run.string()},  {"stages", std::move(told)}};
}

}  // namespace osteon::engine
