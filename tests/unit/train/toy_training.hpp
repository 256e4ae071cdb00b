// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "support/found_plugins.hpp"
#include "support/program.hpp"
#include "train/trainer.hpp"
#include "unit/data/toy_dataset.hpp"
#include "unit/train/tiny_model.hpp"

/// The training loop on a network of three convolutions and images of 6 x 4 pixels.
namespace osteon::train::toy {

constexpr int kImages = 8;

inline recipe::LossTerm term(const std::string& plugin, const std::string& output = "",
                             const plugin::Registry& from = test::registry()) {
  recipe::LossTerm loss;
  loss.component.plugin = plugin;
  loss.component.parameters = test::default_parameters(*from.find(plugin::Kind::kLoss, plugin));
  loss.output = output;
  return loss;
}

inline recipe::Recipe recipe_of(int epochs) {
  recipe::Recipe recipe;
  recipe.data.kind = "multiclass";
  recipe.data.classes = {"a", "b", "c"};
  recipe.loss = {term("cross_entropy"), term("dice")};  // both take scratch memory
  recipe.train.epochs = epochs;
  recipe.train.batch_size = 2;
  recipe.train.optimizer.lr = 1e-2;
  return recipe;
}

/// A run folder and a model that is trained in it; a new model for each process that would train.
class Run {
 public:
  explicit Run(const osteon_model_api& api = test::tiny_api()) : api_(api) {}

  test::TemporaryFolder folder;
  run::RunFolder run{folder.path()};
  std::function<double(const plugin::Call&)> validate = [](const plugin::Call&) { return 0.5; };
  const data::DatasetOptions* options = nullptr;
  plugin::Registry* registry = &test::registry();

  Outcome train(const recipe::Recipe& recipe, bool resume = false) {
    const plugin::Call call;
    const auto model = test::tiny_model(call, 1, 3, api_);
    auto dataset = tests::toy_dataset(folder.path() / "data", kImages);
    if (options != nullptr) dataset = data::open_dataset("index_png", folder.path() / "data", *options);
    std::vector<int> indices(kImages);
    for (int i = 0; i < kImages; ++i) indices[static_cast<std::size_t>(i)] = i;
    data::LoaderOptions loading = tests::toy_options();
    loading.shuffle = true;
    loading.batch_size = recipe.train.batch_size;
    data::Loader loader(*dataset, indices, nullptr, loading);
    plugin::ClassContext classes;
    classes.multiclass = true;
    classes.names = recipe.data.classes;
    Setup setup{recipe, *registry, classes, *model, loader, run, {OSTEON_DEVICE_CPU, 0}, 1, validate};
    const auto keep_weights = [&] {
      weights_.clear();
      for (const HostTensor& tensor : host_tensors(*model, call))
        weights_.emplace_back(tensor.name, tensor.value.clone());
    };
    try {
      Trainer trainer(std::move(setup));
      if (resume) trainer.load();
      const Outcome outcome = trainer.run();
      keep_weights();
      return outcome;
    } catch (...) {
      keep_weights();
      throw;
    }
  }

  /// Of the last model that was trained.
  const std::vector<std::pair<std::string, at::Tensor>>& weights() const { return weights_; }
  at::Tensor operator[](const std::string& name) const {
    for (const auto& [own, value] : weights_)
      if (own == name) return value;
    throw std::out_of_range(name);
  }
  std::vector<nlohmann::json> metrics() const { return run::MetricsLog(run.metrics()).read(); }

 private:
  const osteon_model_api& api_;
  std::vector<std::pair<std::string, at::Tensor>> weights_;
};

inline void expect_equal(const Run& a, const Run& b) {
  ASSERT_EQ(a.weights().size(), b.weights().size());
  for (std::size_t i = 0; i < a.weights().size(); ++i)
    EXPECT_TRUE(at::equal(a.weights()[i].second, b.weights()[i].second)) << a.weights()[i].first;
}

}  // namespace osteon::train::toy
