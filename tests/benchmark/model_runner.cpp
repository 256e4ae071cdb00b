// SPDX-License-Identifier: Apache-2.0

/// A recipe's model at somebody else's command, for models_benchmark.py, which takes turns with it.
///
///     model_runner RECIPE WEIGHTS SIZE PLUGIN_FOLDER PROGRAM
///
/// Reads a command a line and answers each with a line:
///   infer    one inference forward of [1, C, SIZE, SIZE], straight through the ABI: milliseconds
///   predict  the same through the host's leaf, which normalises, pads, cuts and returns logits: milliseconds
///   plan     how the plugin runs it
///   peak     the greatest resident set so far, MiB
///   forget_peak  the same, but from now on it begins with what is resident now
#include <chrono>
#include <iostream>
#include <string>

#include <ATen/Parallel.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <opencv2/core.hpp>

#include "engine/environment.hpp"
#include "engine/session.hpp"
#include "predict/leaf.hpp"
#include "recipe/load_recipe.hpp"
#include "support/peak_memory.hpp"

namespace {

using namespace osteon;

template <class Work>
double milliseconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

plugin::CallOptions call_options(int threads) {
  plugin::CallOptions options;
  options.threads = threads;
  return options;
}

class Runner {
 public:
  Runner(const recipe::Recipe& recipe, plugin::Registry& registry, const std::string& weights, int size)
      : threads_(at::get_num_threads()), classes_(engine::class_context(recipe.data)) {
    auto model = engine::make_model(recipe, registry, threads_);
    engine::WeightsOptions wanted;
    wanted.load.strict = true;
    engine::load_weights(*model, weights, wanted);
    pixels_ = cv::Mat(size, size, CV_32FC(recipe.data.channels));
    cv::theRNG().state = 7;
    cv::randu(pixels_, 0.0, 1.0);
    planar_ = at::rand({1, recipe.data.channels, size, size});
    model_ = std::move(model);
    leaf_ = std::make_unique<predict::Leaf>(model_, recipe, classes_);
  }

  double infer() {
    const plugin::Call call(call_options(threads_));
    const sdk::BorrowedTensor input(planar_.data_ptr<float>(), planar_.sizes().vec());
    return milliseconds([&] { model_->infer(call.raw(), input.view(), {}); });
  }

  double predict() {
    const predict::RootImage image(pixels_, "benchmark");
    const osteon_predict_request request = predict::make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL);
    std::vector<predict::OwnedPrediction> predictions(1);
    return milliseconds([&] {
      const plugin::Call call(call_options(threads_));
      leaf_->predict(call.raw(), {image.get()}, request, predictions);
    });
  }

  std::string plan() const {
    std::string text;
    for (const std::string& line : model_->inference_plan()) text += (text.empty() ? "" : " | ") + line;
    return text;
  }

 private:
  int threads_;
  plugin::ClassContext classes_;
  std::shared_ptr<plugin::Model> model_;
  std::unique_ptr<predict::Leaf> leaf_;
  cv::Mat pixels_;
  at::Tensor planar_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    std::cerr << "usage: model_runner RECIPE WEIGHTS SIZE PLUGIN_FOLDER PROGRAM\n";
    return 2;
  }
  try {
    engine::prepare_numeric_environment();
    spdlog::set_default_logger(spdlog::stderr_logger_mt("model_runner"));  // answers have standard output to themselves
    plugin::RegistryOptions where;
    where.folders = {arguments[4]};
    where.scanner = arguments[5];
    plugin::Registry registry(where);
    recipe::LoadOptions options;
    options.schemas = registry.schemas();
    Runner runner(recipe::load_recipe(arguments[1], options).recipe, registry, arguments[2], std::stoi(arguments[3]));
    std::cout << "ready" << std::endl;
    for (std::string command; std::getline(std::cin, command);) {
      if (command == "infer") {
        std::cout << runner.infer() << std::endl;
      } else if (command == "predict") {
        std::cout << runner.predict() << std::endl;
      } else if (command == "plan") {
        std::cout << runner.plan() << std::endl;
      } else if (command == "peak") {
        std::cout << test::peak_mib() << std::endl;
      } else if (command == "forget_peak") {
        std::cout << test::forget_peak() << std::endl;
      } else {
        std::cerr << "model_runner: no command '" << command << "'\n";
        return 2;
      }
    }
  } catch (const std::exception& e) {
    std::cerr << "model_runner: " << e.what() << "\n";
    return 1;
  }
}
