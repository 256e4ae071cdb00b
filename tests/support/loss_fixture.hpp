// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <osteon/abi/entry.h>
#include <osteon/abi/loss.h>
#include <osteon/sdk/half.hpp>
#include <osteon/sdk/tensor.hpp>
#include <osteon/sdk/testing.hpp>

/// What tests of a loss plugin need: it is linked in and driven through its C entry, as a host would. The references
/// that it is held against are in double precision, one pixel at a time.
namespace osteon::test {

using sdk::testing::TestCall;

/// A loss of the library under test; parameters not given have their defaults.
class LossUnderTest {
 public:
  using Values = std::map<std::string, std::vector<double>>;
  using Strings = std::map<std::string, std::string>;

  LossUnderTest(bool multiclass, std::int64_t classes, const Values& values = {}, const Strings& strings = {})
      : LossUnderTest(*osteon_get_plugin(OSTEON_ABI_VERSION)->components[0], multiclass, classes, values, strings) {}

  LossUnderTest(const osteon_component& component, bool multiclass, std::int64_t classes, const Values& values = {},
                const Strings& strings = {}) {
    api_ = static_cast<const osteon_loss_api*>(component.api);
    std::vector<std::vector<std::int64_t>> ints(component.n_params);
    std::vector<const char*> texts(component.n_params);
    std::vector<osteon_value> storage(component.n_params);
    std::vector<const osteon_value*> pointers;
    for (std::uint64_t p = 0; p < component.n_params; ++p) {
      const osteon_param_spec& spec = *component.params[p];
      pointers.push_back(spec.default_value);
      if (const auto text = strings.find(spec.name); text != strings.end()) {
        texts[p] = text->second.c_str();
        storage[p] = sdk::sized<osteon_value>();
        storage[p].type = spec.type;
        storage[p].count = 1;
        storage[p].strings = &texts[p];
        pointers.back() = &storage[p];
      }
      const auto given = values.find(spec.name);
      if (given == values.end()) continue;
      ints[p].assign(given->second.begin(), given->second.end());
      storage[p] = sdk::sized<osteon_value>();
      storage[p].type = spec.type;
      storage[p].count = given->second.size();
      if (spec.type == OSTEON_PARAM_FLOAT)
        storage[p].floats = given->second.data();
      else
        storage[p].ints = ints[p].data();
      pointers.back() = &storage[p];
    }
    const std::vector<const char*> names(static_cast<std::size_t>(classes), "class");
    auto request = sdk::sized<osteon_loss_request>();
    request.labels = multiclass ? OSTEON_LABELS_MULTICLASS : OSTEON_LABELS_MULTILABEL;
    request.n_classes = classes;
    request.class_names = names.data();
    const TestCall call;
    sdk::check([&](osteon_error* e) { return api_->create(call.raw(), pointers.data(), &request, &loss_, e); });
  }
  ~LossUnderTest() { api_->destroy(loss_); }
  LossUnderTest(const LossUnderTest&) = delete;
  LossUnderTest& operator=(const LossUnderTest&) = delete;

  /// Throws sdk::Error with the plugin's status and text.
  double evaluate(const osteon_loss_input& input, const TestCall& call) const {
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
  std::vector<float> pixel_weight;   ///< empty: all 1
  std::vector<std::uint8_t> known;   ///< class_valid; empty: all known
  std::vector<float> soft;           ///< empty: the planes are the target
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

  /// The same batch with what these flags of osteon_loss_input stand for: weights of pixels, some of them 0; unknown
  /// classes, one or two in each image; targets between 0 and 1, in multiclass data with a sum of 1.
  LossBatch with(std::uint32_t flags, bool multiclass, unsigned seed) const {
    LossBatch batch = *this;
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(0, 1);
    if ((flags & OSTEON_LOSS_PIXEL_WEIGHT) != 0)
      for (std::int64_t p = 0; p < n * pixels(); ++p)
        batch.pixel_weight.push_back(random() % 5 == 0 ? 0.0f : 0.25f + 2 * uniform(random));
    if ((flags & OSTEON_LOSS_CLASS_VALID) != 0) {
      batch.known.assign(static_cast<std::size_t>(n * k), 1);
      for (std::int64_t i = 0; i < n; ++i) batch.known[static_cast<std::size_t>(i * k + i % k)] = 0;
      if (k > 3) batch.known[2] = 0;
    }
    if ((flags & OSTEON_LOSS_SOFT_TARGET) == 0) return batch;
    batch.soft.resize(logits.size());
    for (float& t : batch.soft) t = random() % 4 == 0 ? static_cast<float>(random() % 2) : uniform(random);
    for (std::int64_t i = 0; multiclass && i < n; ++i)
      for (std::int64_t p = 0; p < pixels(); ++p) {
        float sum = 0;
        for (std::int64_t c = 0; c < k; ++c) sum += batch.soft[at(i, c, p)] += 1e-3f;
        for (std::int64_t c = 0; c < k; ++c) batch.soft[at(i, c, p)] /= sum;
      }
    return batch;
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
    if (!soft.empty()) return soft[at(i, c, p)];
    return static_cast<double>(planes[plane_at(i, c, p)] >> (c % 32) & 1u);
  }
  bool is_valid(std::int64_t i, std::int64_t p) const {
    return valid.empty() || valid[static_cast<std::size_t>(i * pixels() + p)] != 0;
  }
  /// What a pixel counts: 0 where it is not valid.
  double weight(std::int64_t i, std::int64_t p) const {
    if (!is_valid(i, p)) return 0;
    return pixel_weight.empty() ? 1.0 : pixel_weight[static_cast<std::size_t>(i * pixels() + p)];
  }
  bool knows(std::int64_t i, std::int64_t c) const {
    return known.empty() || known[static_cast<std::size_t>(i * k + c)] != 0;
  }
  /// Whether the image has a pixel that counts.
  bool counts(std::int64_t i) const {
    for (std::int64_t p = 0; p < pixels(); ++p)
      if (weight(i, p) > 0) return true;
    return false;
  }
  double weight(std::int64_t i) const {
    return sample_weight.empty() ? 1.0 : sample_weight[static_cast<std::size_t>(i)];
  }

  /// Those of osteon_loss_input.
  std::uint32_t flags() const {
    std::uint32_t flags = 0;
    if (accumulate) flags |= OSTEON_LOSS_ACCUMULATE;
    if (!pixel_weight.empty()) flags |= OSTEON_LOSS_PIXEL_WEIGHT;
    if (!known.empty()) flags |= OSTEON_LOSS_CLASS_VALID;
    if (!soft.empty()) flags |= OSTEON_LOSS_SOFT_TARGET;
    return flags;
  }

  /// Runs the loss on these tensors; `grad` gets the gradient unless `value_only`.
  double run(const LossUnderTest& loss, int threads = 1, bool value_only = false) {
    return run_on(loss, logits.data(), grad.data(), sdk::dtype_of<float>(),
                  TestCall(static_cast<std::uint32_t>(threads)), value_only);
  }
  /// The same with a call whose log and notes are kept.
  double run(const LossUnderTest& loss, const TestCall& call) {
    return run_on(loss, logits.data(), grad.data(), sdk::dtype_of<float>(), call, false);
  }
  /// The same in a 16-bit type; logits and gradients are bit patterns.
  double run16(const LossUnderTest& loss, std::vector<std::uint16_t>& logits16, std::vector<std::uint16_t>& grad16,
               osteon_dtype type) {
    return run_on(loss, logits16.data(), grad16.data(), type, TestCall(), false);
  }

 private:
  double run_on(const LossUnderTest& loss, void* x, void* g, osteon_dtype type, const TestCall& call, bool value_only) {
    const sdk::BorrowedTensor x_view(x, type, {n, k, h, w}), g_view(g, type, {n, k, h, w});
    const sdk::BorrowedTensor t_view(planes.data(), sdk::dtype_of<std::int32_t>(), {n, n_planes(), h, w});
    const sdk::BorrowedTensor v_view(valid.data(), {n, h, w}), w_view(sample_weight.data(), {n});
    const sdk::BorrowedTensor p_view(pixel_weight.data(), {n, h, w}), k_view(known.data(), {n, k});
    const sdk::BorrowedTensor s_view(soft.data(), {n, k, h, w});
    auto input = sdk::sized<osteon_loss_input>();
    input.flags = flags();
    input.logits = x_view;
    if (soft.empty())
      input.target = t_view;
    else
      input.soft_target = s_view;
    if (!valid.empty()) input.valid = v_view;
    if (!sample_weight.empty()) input.sample_weight = w_view;
    if (!pixel_weight.empty()) input.pixel_weight = p_view;
    if (!known.empty()) input.class_valid = k_view;
    input.grad_scale = grad_scale;
    if (!value_only) input.grad = g_view;
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
