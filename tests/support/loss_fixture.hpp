// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <osteon/abi/entry.h>
#include <osteon/abi/loss.h>
#include <osteon/sdk/half.hpp>
#include <osteon/sdk/tensor.hpp>

/// What tests of a loss plugin need: it is linked in and driven through its C entry, as a host would. The references
/// that it is held against are in double precision, one pixel at a time.
namespace osteon::test {

/// A call without a host: grants threads and scratch memory, and nothing else.
class BareCall {
 public:
  explicit BareCall(int threads = 1) {
    call_ = {sizeof call_,
             static_cast<std::uint32_t>(threads),
             {OSTEON_DEVICE_CPU, 0},
             nullptr,
             this,
             [](const osteon_call* c) { return self(c)->cancel ? 1 : 0; },
             [](const osteon_call*) { return INT64_MAX; },
             [](const osteon_call*, double) {},
             [](const osteon_call*, std::int32_t, const char*) {},
             [](const osteon_call*, osteon_dtype, std::int32_t, const std::int64_t*, osteon_tensor*, osteon_error*) {
               return osteon_status{OSTEON_OUT_OF_MEMORY};
             },
             [](const osteon_call* c, std::uint64_t bytes) {
               self(c)->scratch_.emplace_back(std::aligned_alloc(64, (bytes + 63) / 64 * 64), &std::free);
               return self(c)->scratch_.back().get();
             },
             [](const osteon_call*, const char*) -> const void* { return nullptr; }};
  }
  BareCall(const BareCall&) = delete;
  BareCall& operator=(const BareCall&) = delete;
  const osteon_call* raw() const { return &call_; }
  bool cancel = false;

 private:
  static BareCall* self(const osteon_call* c) { return static_cast<BareCall*>(c->host); }
  osteon_call call_{};
  std::vector<std::unique_ptr<void, decltype(&std::free)>> scratch_;
};

/// A loss of the library under test; parameters not given have their defaults.
class LossUnderTest {
 public:
  using Values = std::map<std::string, std::vector<double>>;

  LossUnderTest(bool multiclass, std::int64_t classes, const Values& values = {})
      : LossUnderTest(*osteon_get_plugin(OSTEON_ABI_VERSION)->components[0], multiclass, classes, values) {}

  LossUnderTest(const osteon_component& component, bool multiclass, std::int64_t classes, const Values& values = {}) {
    api_ = static_cast<const osteon_loss_api*>(component.api);
    std::vector<std::vector<std::int64_t>> ints(component.n_params);
    std::vector<osteon_value> storage(component.n_params);
    std::vector<const osteon_value*> pointers;
    for (std::uint64_t p = 0; p < component.n_params; ++p) {
      const osteon_param_spec& spec = *component.params[p];
      pointers.push_back(spec.default_value);
      const auto given = values.find(spec.name);
      if (given == values.end()) continue;
      ints[p].assign(given->second.begin(), given->second.end());
      storage[p] = {sizeof(osteon_value),
                    spec.type,
                    given->second.size(),
                    ints[p].data(),
                    given->second.data(),
                    nullptr,
                    nullptr};
      pointers.back() = &storage[p];
    }
    const std::vector<const char*> names(static_cast<std::size_t>(classes), "class");
    const osteon_loss_request request{
        sizeof request, multiclass ? std::uint32_t{OSTEON_LABELS_MULTICLASS} : std::uint32_t{OSTEON_LABELS_MULTILABEL},
        classes, names.data()};
    const BareCall call;
    sdk::check([&](osteon_error* e) { return api_->create(call.raw(), pointers.data(), &request, &loss_, e); });
  }
  ~LossUnderTest() { api_->destroy(loss_); }
  LossUnderTest(const LossUnderTest&) = delete;
  LossUnderTest& operator=(const LossUnderTest&) = delete;

  /// Throws sdk::Error with the plugin's status and text.
  double evaluate(const osteon_loss_input& input, const BareCall& call) const {
    double value = std::nan("");
    sdk::check([&](osteon_error* e) { return api_->evaluate(call.raw(), loss_, &input, &value, e); });
    return value;
  }

 private:
  const osteon_loss_api* api_;
  osteon_loss* loss_ = nullptr;
};

/// A batch with random logits, labels, holes and weights, and the gradient it gets.
struct LossBatch {
  std::int64_t n, k, h, w;
  std::vector<float> logits, grad;
  std::vector<std::uint32_t> planes;
  std::vector<std::uint8_t> valid;   ///< empty: all valid
  std::vector<float> sample_weight;  ///< empty: all 1
  double grad_scale = 1;
  bool accumulate = false;

  LossBatch(std::int64_t images, std::int64_t classes, std::int64_t height, std::int64_t width, bool multiclass,
            bool holes, unsigned seed)
      : n(images), k(classes), h(height), w(width) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 3);
    logits.resize(static_cast<std::size_t>(n * k * h * w));
    for (float& x : logits) x = normal(random);
    grad.assign(logits.size(), -7.0f);
    planes.assign(static_cast<std::size_t>(n * n_planes() * h * w), 0);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t p = 0; p < h * w; ++p) {
        const auto only = static_cast<std::int64_t>(random() % static_cast<unsigned>(k));
        for (std::int64_t c = 0; c < k; ++c)
          if (multiclass ? c == only : random() % 3 == 0) set(i, c, p);
      }
    if (!holes) return;
    valid.resize(static_cast<std::size_t>(n * h * w));
    for (auto& v : valid) v = random() % 4 != 0;
    for (std::int64_t i = 0; i < n; ++i) sample_weight.push_back(0.5f + 0.75f * static_cast<float>(i));
  }

  std::int64_t n_planes() const { return (k + 31) / 32; }
  std::int64_t pixels() const { return h * w; }
  std::size_t at(std::int64_t i, std::int64_t c, std::int64_t p) const {
    return static_cast<std::size_t>((i * k + c) * pixels() + p);
  }
  std::size_t plane_at(std::int64_t i, std::int64_t c, std::int64_t p) const {
    return static_cast<std::size_t>((i * n_planes() + c / 32) * pixels() + p);
  }
  void set(std::int64_t i, std::int64_t c, std::int64_t p) { planes[plane_at(i, c, p)] |= 1u << (c % 32); }
  double target(std::int64_t i, std::int64_t c, std::int64_t p) const {
    return static_cast<double>(planes[plane_at(i, c, p)] >> (c % 32) & 1u);
  }
  bool is_valid(std::int64_t i, std::int64_t p) const {
    return valid.empty() || valid[static_cast<std::size_t>(i * pixels() + p)] != 0;
  }
  double weight(std::int64_t i) const {
    return sample_weight.empty() ? 1.0 : sample_weight[static_cast<std::size_t>(i)];
  }

  /// Runs the loss on these tensors; `grad` gets the gradient unless `value_only`.
  double run(const LossUnderTest& loss, int threads = 1, bool value_only = false) {
    return run_on(loss, logits.data(), grad.data(), sdk::dtype_of<float>(), threads, value_only);
  }
  /// The same in a 16-bit type; logits and gradients are bit patterns.
  double run16(const LossUnderTest& loss, std::vector<std::uint16_t>& logits16, std::vector<std::uint16_t>& grad16,
               osteon_dtype type) {
    return run_on(loss, logits16.data(), grad16.data(), type, 1, false);
  }

 private:
  double run_on(const LossUnderTest& loss, void* x, void* g, osteon_dtype type, int threads, bool value_only) {
    const sdk::BorrowedTensor x_view(x, type, {n, k, h, w}), g_view(g, type, {n, k, h, w});
    const sdk::BorrowedTensor t_view(planes.data(), sdk::dtype_of<std::int32_t>(), {n, n_planes(), h, w});
    const sdk::BorrowedTensor v_view(valid.data(), {n, h, w}), w_view(sample_weight.data(), {n});
    const osteon_loss_input input{sizeof input,
                                  accumulate ? std::uint32_t{OSTEON_LOSS_ACCUMULATE} : 0u,
                                  x_view,
                                  t_view,
                                  valid.empty() ? nullptr : &v_view.view(),
                                  sample_weight.empty() ? nullptr : &w_view.view(),
                                  grad_scale,
                                  value_only ? nullptr : &g_view.view()};
    const BareCall call(threads);
    return loss.evaluate(input, call);
  }
};

/// A loss in double precision: logits as [n][k][pixel] in one array.
using ReferenceLoss = std::function<double(const LossBatch&, const std::vector<double>& logits)>;

inline std::vector<double> as_double(const std::vector<float>& values) { return {values.begin(), values.end()}; }

/// d reference / d logits[index] by central differences.
inline double slope(const ReferenceLoss& reference, const LossBatch& batch, std::size_t index) {
  std::vector<double> x = as_double(batch.logits);
  constexpr double kStep = 1e-4;
  x[index] += kStep;
  const double above = reference(batch, x);
  x[index] -= 2 * kStep;
  return (above - reference(batch, x)) / (2 * kStep);
}

}  // namespace osteon::test
