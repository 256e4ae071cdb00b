// SPDX-License-Identifier: Apache-2.0
#include "predict/fit_task.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>

#include <osteon/sdk/call.hpp>

#include "base/error.hpp"
#include "data/aligned_buffer.hpp"
#include "predict/predict.hpp"
#include "predict/until_interrupted.hpp"

namespace osteon::predict {
namespace {

/// Rows of the truth as the ABI has them.
class Truth {
 public:
  Truth(const data::Labels& labels, RowRange rows) {
    const std::int64_t width = labels.size().width, size = rows.count * width;
    const auto n = static_cast<std::int64_t>(labels.planes().size());
    planes_.resize(static_cast<std::size_t>(n * size));
    for (std::int64_t p = 0; p < n; ++p)
      for (std::int64_t y = 0; y < rows.count; ++y)
        std::memcpy(planes_.data() + p * size + y * width,
                    labels.planes()[static_cast<std::size_t>(p)].ptr(static_cast<int>(rows.first + y)),
                    static_cast<std::size_t>(width) * sizeof(std::int32_t));
    target_.emplace(planes_.data(), std::vector<std::int64_t>{n, rows.count, width});
    if (labels.valid().empty()) return;
    valid_.resize(static_cast<std::size_t>(size));
    for (std::int64_t y = 0; y < rows.count; ++y)
      std::memcpy(valid_.data() + y * width, labels.valid().ptr(static_cast<int>(rows.first + y)),
                  static_cast<std::size_t>(width));
    known_.emplace(valid_.data(), std::vector<std::int64_t>{rows.count, width});
  }
  const osteon_tensor_view* target() const { return &target_->view(); }
  const osteon_tensor_view* valid() const { return known_ ? &known_->view() : nullptr; }

 private:
  data::AlignedBuffer<std::int32_t> planes_;
  data::AlignedBuffer<std::uint8_t> valid_;
  std::optional<sdk::BorrowedTensor> target_, known_;
};

void add_image(const plugin::Call& call, const FitTask& task, const FitImage& image) {
  const auto n_classes = static_cast<std::int32_t>(image.truth.classes());
  std::vector<std::int32_t> classes(static_cast<std::size_t>(n_classes));
  std::iota(classes.begin(), classes.end(), 0);
  const FileImage root(image.image, image.id);
  if (image.truth.size() != cv::Size(static_cast<int>(root.width()), static_cast<int>(root.height())))
    throw Error(ExitCode::kData, "image and labels differ in size", image.id);
  std::vector<std::unique_ptr<Opinion>> opinions;
  for (std::size_t m = 0; m < task.members.size(); ++m) {
    const bool silent = !image.silent.empty() && image.silent[m];
    opinions.push_back(silent ? nullptr
                              : std::make_unique<Opinion>(call.raw(), task.members[m], *root.get(), task.form,
                                                          OSTEON_SCALE_RECIPE, classes));
  }
  const std::int64_t step =
      rows_of_band(static_cast<std::int64_t>(task.members.size()) * n_classes, root.height(), root.width());
  for (std::int64_t first = 0; first < root.height(); first += step) {
    const plugin::Call own = call.derive({});
    sdk::Call(own.raw()).stop_if_cancelled();
    const RowRange rows{first, std::min(step, root.height() - first)};
    std::vector<sdk::OwnedTensor> said(opinions.size());
    std::vector<const osteon_tensor_view*> views(opinions.size(), nullptr);
    for (std::size_t m = 0; m < opinions.size(); ++m) {
      if (!opinions[m]) continue;
      opinions[m]->advance(own.raw(), rows.count);
      said[m] = opinions[m]->band(own.raw(), classes);
      views[m] = &said[m].view();
    }
    const Truth truth(image.truth, rows);
    auto band = sdk::sized<osteon_band>();
    band.first_row = rows.first;
    band.height = rows.count;
    band.width = root.width();
    band.n_classes = classes.size();
    band.classes = classes.data();
    auto sample = sdk::sized<osteon_fit_sample>();
    sample.image = image.id.c_str();
    sample.band = &band;
    sample.n_members = views.size();
    sample.members = views.data();
    sample.target = truth.target();
    sample.valid = truth.valid();
    sample.class_valid = image.truth.class_valid().empty() ? nullptr : image.truth.class_valid().data();
    task.fit->add(own, sample);
  }
}

}  // namespace

std::size_t fit(const plugin::Call& call, const FitTask& task) {
  const auto members = static_cast<std::int64_t>(task.members.size());
  data::AlignedBuffer<double> table;
  table.resize(task.dice.size());
  std::copy(task.dice.begin(), task.dice.end(), table.data());
  const sdk::BorrowedTensor dice(
      table.data(),
      std::vector<std::int64_t>{members, members > 0 ? static_cast<std::int64_t>(task.dice.size()) / members : 0});
  task.fit->begin(call, members, task.dice.empty() ? nullptr : &dice.view());
  for (std::size_t pass = 0;; ++pass) {
    if (pass == kMostPasses)
      throw Error(ExitCode::kPlugin, "the fit asks to see everything again, after " + std::to_string(pass) + " times");
    std::size_t added = 0;
    for (std::size_t i = 0; i < task.n_images; ++i) {
      const plugin::Call own = call.derive({});
      FitImage image;
      if (task.read(i, image)) {
        until_interrupted([&] { add_image(own, task, image); });
        ++added;
      }
      if (task.progress) task.progress(pass, i);
    }
    if (added == 0) throw Error(ExitCode::kData, "there is no image to fit on");
    if (!task.fit->end(call)) return added;
  }
}

}  // namespace osteon::predict
