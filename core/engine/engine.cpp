// SPDX-License-Identifier: Apache-2.0
// The engine's door: each verb's function behind one interface.
#include "engine/engine.hpp"

#include <stdexcept>

#include <ATen/Parallel.h>
#include <opencv2/core/utility.hpp>
#include <osteon/sdk/torch/compat.hpp>

#include "base/child.hpp"
#include "base/error.hpp"
#include "data/phantom/phantom.hpp"
#include "engine/augment_preview.hpp"
#include "engine/device.hpp"
#include "engine/doctor.hpp"
#include "engine/evaluation.hpp"
#include "engine/forward.hpp"
#include "engine/kernel_test.hpp"
#include "engine/post_preview.hpp"
#include "engine/post_run.hpp"
#include "engine/prediction.hpp"
#include "engine/tensor_memory.hpp"
#include "engine/training.hpp"
#include "plugin/interrupt.hpp"
#include "predict/resample.hpp"
#include "predict/tensor_cache.hpp"
#include "report/progress.hpp"

namespace osteon::engine {
namespace {

nlohmann::json write_phantom(const PhantomRequest& request, const Context& context) {
  data::PhantomOptions options;
  options.patients = request.patients;
  options.test_patients = request.test_patients;
  options.size = request.size;
  options.seed = request.seed;
  options.ring_fraction = request.ring_fraction;
  options.bent_fraction = request.bent_fraction;
  options.check();
  const int images = 2 * (options.patients + options.test_patients);
  report::Progress progress("phantom", images, "images");
  const auto advance = [&](int, int) {
    if (plugin::interrupted().load()) throw Interrupted();
    progress.advance(1);
  };
  data::write_phantom(options, request.out, advance, context.threads, request.overwrite);
  progress.finish();
  return {{"out", request.out.string()}, {"images", images}, {"patients", options.patients + options.test_patients}};
}

/// What libraries throw where this program asked for too much is an error of the machine; whatever else they throw was
/// not foreseen, and keeps its sentence without the stack trace.
template <class Work>
auto at_the_door(Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const cv::Exception& e) {
    if (e.code == cv::Error::StsNoMem) throw Error(ExitCode::kResources, "out of memory: " + e.err);
    throw;
  } catch (const c10::Error& e) {
    const std::string text = e.what_without_backtrace();
    const osteon_status status = sdk::compat::status_of(e);
    if (status == OSTEON_OUT_OF_MEMORY || status == OSTEON_OUT_OF_DEVICE_MEMORY)
      throw Error(ExitCode::kResources, text);
    throw std::runtime_error(text);
  }
}

class EngineImplementation final : public Engine {
 public:
  explicit EngineImplementation(const Context& context) : context_(context) {
    install_tensor_memory();
    at::set_num_threads(context_.threads);
    cv::setNumThreads(context_.threads);
    plugin::watch_interrupts();
    prepare_accelerators();
    predict::install_resample_service();
    predict::install_cache_service();
  }
  nlohmann::json phantom(const PhantomRequest& request) override {
    return at_the_door([&] { return write_phantom(request, context_); });
  }
  nlohmann::json train(const TrainRequest& request) override {
    return at_the_door([&] { return run_training(request, context_); });
  }
  nlohmann::ordered_json evaluate(const EvaluateRequest& request) override {
    return at_the_door([&] { return run_evaluation(request, context_); });
  }
  nlohmann::json predict(const PredictRequest& request) override {
    return at_the_door([&] { return run_prediction(request, context_); });
  }
  nlohmann::json forward(const ForwardRequest& request) override {
    return at_the_door([&] { return run_forward(request, context_); });
  }
  nlohmann::ordered_json preview_augment(const AugmentPreviewRequest& request) override {
    return at_the_door([&] { return run_augment_preview(request, context_); });
  }
  nlohmann::ordered_json run_post(const PostRunRequest& request) override {
    return at_the_door([&] { return run_post_alone(request, context_); });
  }
  nlohmann::ordered_json preview_post(const PostPreviewRequest& request) override {
    return at_the_door([&] { return run_post_preview(request, context_); });
  }
  nlohmann::json doctor() override {
    return at_the_door([this] {
      nlohmann::json result = describe_libraries();
      result["matmul_gflops"] = measure_matmul();
      result["kernels"] = to_json(context_.kernels);
      return result;
    });
  }
  void test_kernels() override {
    limit_processor_time();
    fill_new_memory_with_nan();
    answer_parent(kernel_test_found(engine::test_kernels(
        compute_with_libtorch, [](const auto&... what) { answer_parent(kernel_test_begins(what...)); })));
  }

 private:
  Context context_;
};

}  // namespace
}  // namespace osteon::engine

extern "C" __attribute__((visibility("default"))) osteon::engine::Engine* osteon_create_engine(
    const osteon::engine::Context* context) {
  return new osteon::engine::EngineImplementation(*context);
}
