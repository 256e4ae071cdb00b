// SPDX-License-Identifier: Apache-2.0

/// Losses with gradient on 2 x 29 x 512 x 512 logits, on two threads: as plugins through the host's objective, the way
/// training calls them, beside the same losses as one writes them in LibTorch (tests/support/eager_losses.hpp, dense
/// float targets at hand), turn by turn in one process. Prints medians, the ratio, and the most memory that the
/// objective took beyond logits and gradient. Multilabel data are discs, each over 2 % of an image, and logits that are
/// right in most places.
///
///     loss_benchmark [NAME]             rows whose name contains NAME
///     loss_benchmark --memory NAME      of one row, in a process of its own: MiB beyond logits and gradient
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "support/eager_losses.hpp"
#include "support/found_plugins.hpp"
#include "support/peak_memory.hpp"
#include "train/objective.hpp"

namespace {

using namespace osteon;

constexpr std::int64_t kImages = 2, kClasses = 29, kSide = 512;
constexpr int kThreads = 2;

struct Term {
  std::string plugin;
  double weight = 1;
  std::string mode;  ///< of focal; empty: its default
};

struct Row {
  std::string name;
  bool multiclass = false;
  std::vector<Term> terms;
  std::function<at::Tensor(const at::Tensor& x, const at::Tensor& t)> eager;
};

std::vector<Row> rows() {
  using at::Tensor;
  namespace eager = test::eager;
  const auto both = [](const Tensor& x, const Tensor& t) { return 0.5 * eager::bce(x, t) + 0.5 * eager::dice(x, t); };
  return {
      {"bce + dice", false, {{"bce", 0.5, ""}, {"dice", 0.5, ""}}, both},
      {"bce + dice + focal",
       false,
       {{"bce", 0.5, ""}, {"dice", 0.5, ""}, {"focal", 1, ""}},
       [both](const Tensor& x, const Tensor& t) { return both(x, t) + eager::focal(x, t); }},
      {"bce", false, {{"bce", 1, ""}}, eager::bce},
      {"dice", false, {{"dice", 1, ""}}, [](const Tensor& x, const Tensor& t) { return eager::dice(x, t); }},
      {"iou", false, {{"iou", 1, ""}}, [](const Tensor& x, const Tensor& t) { return eager::iou(x, t); }},
      {"tversky", false, {{"tversky", 1, ""}}, [](const Tensor& x, const Tensor& t) { return eager::tversky(x, t); }},
      {"focal", false, {{"focal", 1, ""}}, eager::focal},
      {"focal of the batch", false, {{"focal", 1, "batch"}}, eager::focal_of_batch},
      {"lovasz", false, {{"lovasz", 1, ""}}, [](const Tensor& x, const Tensor& t) { return eager::lovasz(x, t); }},
      {"ms_ssim", false, {{"ms_ssim", 1, ""}}, eager::ms_ssim},
      {"cross_entropy, multiclass", true, {{"cross_entropy", 1, ""}}, eager::cross_entropy},
      {"dice, multiclass",
       true,
       {{"dice", 1, ""}},
       [](const Tensor& x, const Tensor& t) { return eager::dice(x, t, true); }},
      {"lovasz, multiclass",
       true,
       {{"lovasz", 1, ""}},
       [](const Tensor& x, const Tensor& t) { return eager::lovasz(x, t, true); }},
  };
}

/// Logits and bit planes; multilabel or with one class per pixel.
struct Batch {
  at::Tensor logits = at::empty({kImages, kClasses, kSide, kSide});
  train::Target target;

  explicit Batch(bool multiclass) {
    target.planes = at::zeros({kImages, 1, kSide, kSide}, at::kInt);
    std::mt19937 random(5);
    std::normal_distribution<float> noise(0, 2);
    for (std::int64_t i = 0; i < kImages; ++i)
      for (std::int64_t c = 0; c < kClasses; ++c) {
        float* x = logits[i][c].data_ptr<float>();
        auto* bits = target.planes[i][0].data_ptr<std::int32_t>();
        const std::int64_t cx = 60 + static_cast<std::int64_t>(random() % 392);
        const std::int64_t cy = 60 + static_cast<std::int64_t>(random() % 392);
        for (std::int64_t p = 0; p < kSide * kSide; ++p) {
          const std::int64_t dx = p % kSide - cx, dy = p / kSide - cy;
          const bool set = multiclass ? p * kClasses / (kSide * kSide) == c : dx * dx + dy * dy < 41 * 41;
          x[p] = (set ? 3.0f : -3.0f) + noise(random);
          if (set) bits[p] |= std::int32_t{1} << c;
        }
      }
  }

  at::Tensor dense() const {
    std::vector<at::Tensor> classes;
    for (std::int64_t c = 0; c < kClasses; ++c) classes.push_back(target.planes.bitwise_right_shift(c).bitwise_and(1));
    return at::cat(classes, 1).to(at::kFloat);
  }
};

/// A row's losses as a recipe would have them.
class Ours {
 public:
  explicit Ours(const Row& row)
      : objective_(recipe_of(row), test::registry(), classes(row), outputs(), plugin::Call()) {}

  /// Gives the gradient, so that it is not freed before the clock stops.
  at::Tensor operator()(const Batch& batch) const {
    plugin::CallOptions options;
    options.threads = kThreads;
    const plugin::Call call(options);
    std::vector<sdk::OwnedTensor> given(1);
    sdk::give(batch.logits, given[0].out());
    return objective_.evaluate(call, std::move(given), batch.target, 1).grads[0];
  }

 private:
  static recipe::Recipe recipe_of(const Row& row) {
    recipe::Recipe recipe;
    for (const Term& term : row.terms) {
      const plugin::ComponentSchema& schema = *test::registry().find(plugin::Kind::kLoss, term.plugin);
      recipe::LossTerm loss;
      loss.component.plugin = term.plugin;
      loss.component.parameters = test::default_parameters(schema);
      for (std::size_t i = 0; i < schema.parameters.size() && !term.mode.empty(); ++i)
        if (schema.parameters[i].name == "mode") loss.component.parameters[i] = std::vector<std::string>{term.mode};
      loss.weight = term.weight;
      recipe.loss.push_back(loss);
    }
    return recipe;
  }
  static plugin::ClassContext classes(const Row& row) {
    plugin::ClassContext context{row.multiclass, {}, {}};
    for (std::int64_t c = 0; c < kClasses; ++c) context.names.push_back("class" + std::to_string(c));
    return context;
  }
  static std::vector<plugin::ModelOutput> outputs() {
    std::vector<plugin::ModelOutput> outputs(1);
    outputs[0].name = "main";
    return outputs;
  }

  train::Objective objective_;
};

template <class Work>
double seconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  const auto kept = work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// MiB beyond logits and gradient, of the first evaluation: later ones find their memory in the host's pool.
long memory_of(const Row& row) {
  const Batch batch(row.multiclass);
  const Ours ours(row);
  const long before = test::forget_peak();
  const at::Tensor grad = ours(batch);
  return test::peak_mib() - before - static_cast<long>(grad.nbytes() >> 20);
}

long memory_in_a_process(const std::string& program, const Row& row) {
  std::FILE* child = popen((program + " --memory '" + row.name + "'").c_str(), "r");
  long mib = -1;
  if (child == nullptr || std::fscanf(child, "%ld", &mib) != 1) std::fprintf(stderr, "no answer from the process\n");
  if (child != nullptr) pclose(child);
  return mib;
}

void measure(const std::string& program, const Row& row, const Batch& batch, const at::Tensor& dense) {
  const Ours ours(row);
  const auto run_eager = [&] {
    const at::Tensor leaf = batch.logits.detach().requires_grad_();
    row.eager(leaf, dense).backward();
    return leaf.grad();
  };
  const double apart = (ours(batch) - run_eager()).abs().max().item<double>() / run_eager().abs().max().item<double>();
  std::vector<double> by_us, by_eager;
  double spent = 0;
  while (by_us.size() < 3 || (by_us.size() < 15 && spent < 15)) {
    for (int i = 0; i < 3; ++i) by_us.push_back(seconds([&] { return ours(batch); }));
    by_eager.push_back(seconds(run_eager));
    spent += by_eager.back();
  }
  const double us = median(by_us), eager = median(by_eager);
  std::printf("%-28s %9.1f %10.1f %8.1f x %10ld %12.1e\n", row.name.c_str(), us * 1e3, eager * 1e3, eager / us,
              memory_in_a_process(program, row), apart);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  at::set_num_threads(kThreads);
  const std::string first = count > 1 ? arguments[1] : "";
  if (first == "--memory") {
    for (const Row& row : rows())
      if (count > 2 && row.name == arguments[2]) std::printf("%ld\n", memory_of(row));
    return 0;
  }
  std::printf("[2, 29, 512, 512], value and gradient, %d threads\n%-28s %9s %10s %10s %10s %12s\n", kThreads, "losses",
              "plugins", "LibTorch", "ratio", "MiB more", "gradients");
  for (const bool multiclass : {false, true}) {
    const Batch batch(multiclass);
    const at::Tensor dense = batch.dense();
    for (const Row& row : rows())
      if (row.multiclass == multiclass && row.name.find(first) != std::string::npos)
        measure(arguments[0], row, batch, dense);
  }
}
