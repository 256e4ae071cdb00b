// SPDX-License-Identifier: Apache-2.0
#include "validate/harness/probe.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <limits>
#include <mutex>
#include <numeric>
#include <thread>

#include <osteon/sdk/half.hpp>
#include <osteon/sdk/random.hpp>

namespace osteon::validate {
namespace {

const char* status_name(osteon_status status) {
  static const char* const kNames[] = {
      "OK",        "INVALID_ARGUMENT", "UNSUPPORTED", "OUT_OF_MEMORY", "OUT_OF_DEVICE_MEMORY",
      "CANCELLED", "FAILED",           "BAD_INPUT"};
  return status >= OSTEON_OK && status <= OSTEON_BAD_INPUT ? kNames[status] : nullptr;
}

}  // namespace

std::string Outcome::describe() const {
  return fmt::format("{} ({})", status_name(status), text.empty() ? "no text" : text);
}

Outcome attempt(const std::function<osteon_status(osteon_error*)>& function) {
  constexpr std::size_t kSize = 2048, kBehind = 64;
  std::vector<char> text(kSize + kBehind, '\0');
  osteon_error error{};
  error.struct_size = sizeof error;
  error.text_size = kSize;
  error.text = text.data();
  Sent<osteon_error> sent(error);
  Outcome outcome;
  outcome.status = function(manner().no_error ? nullptr : sent.get());
  expect(std::all_of(text.begin() + kSize, text.end(), [](char c) { return c == '\0'; }),
         "an error text was written beyond the text_size of its buffer");
  text[kSize - 1] = '\0';
  outcome.text = text.data();
  expect(status_name(outcome.status) != nullptr, "it returned the status {}, which the ABI does not know{}{}",
         outcome.status, outcome.text.empty() ? "" : ": ", outcome.text);
  return outcome;
}

void expect_ok(const Outcome& outcome, const std::string& what) {
  expect(outcome.ok(), "{} returned {}, expected OK", what, outcome.describe());
}

void expect_refused(const Outcome& outcome, std::initializer_list<osteon_status> statuses, const std::string& what) {
  const bool right = std::find(statuses.begin(), statuses.end(), outcome.status) != statuses.end();
  std::string expected;
  for (const osteon_status status : statuses)
    expected += (expected.empty() ? "" : " or ") + std::string(status_name(status));
  expect(right, "{} returned {}, expected {}", what, outcome.describe(), expected);
  expect(manner().no_error || !outcome.text.empty(),
         "{} returned {} without a text that says why; fill in osteon_error.text", what, status_name(outcome.status));
}

ProbeTensor::ProbeTensor(osteon_dtype type, std::vector<std::int64_t> shape)
    : shape_(std::move(shape)), strides_(shape_.size()) {
  count_ = 1;
  for (std::size_t i = shape_.size(); i-- > 0;) {
    strides_[i] = count_;
    count_ *= shape_[i] > 0 ? shape_[i] : 1;
  }
  count_ = std::accumulate(shape_.begin(), shape_.end(), std::int64_t{1}, std::multiplies<>());
  size_ = static_cast<std::size_t>(count_) * type.bits / 8;
  memory_ = std::make_unique<std::uint8_t[]>(size_ + 64);
  data_ = memory_.get() + (64 - reinterpret_cast<std::uintptr_t>(memory_.get()) % 64) % 64;
  view_ = {count_ == 0 ? nullptr : data_,
           {OSTEON_DEVICE_CPU, 0},
           static_cast<std::int32_t>(shape_.size()),
           type,
           shape_.data(),
           strides_.data(),
           0};
}

ProbeTensor ProbeTensor::random(std::vector<std::int64_t> shape, std::uint64_t seed, double low, double high) {
  ProbeTensor tensor(std::move(shape));
  sdk::Random random(seed, 0x70726f6265);
  for (std::int64_t i = 0; i < tensor.count(); ++i) tensor.data()[i] = static_cast<float>(random.uniform(low, high));
  return tensor;
}

void expect_canonical(const osteon_tensor_view& view, const std::string& what, std::size_t alignment) {
  expect(view.ndim >= 0 && view.ndim <= 8 && (view.ndim == 0 || (view.shape != nullptr && view.strides != nullptr)),
         "{} has no shape or no strides", what);
  expect(view.device.type == OSTEON_DEVICE_CPU, "{} is on device type {}, expected the CPU", what, view.device.type);
  expect(view.byte_offset == 0, "{} has byte_offset {}, expected 0", what, view.byte_offset);
  for (std::int32_t d = 0; d < view.ndim; ++d)
    expect(view.shape[d] >= 0 && view.strides[d] >= 0, "{} has size {} and stride {} in dimension {}", what,
           view.shape[d], view.strides[d], d);
  if (sdk::element_count(view) == 0) return;
  expect(sdk::is_contiguous(view), "{} of shape {} is not row-major without gaps; copy it before it crosses", what,
         sdk::shape_text(view));
  expect(view.data != nullptr, "{} has no data", what);
  expect(reinterpret_cast<std::uintptr_t>(view.data) % alignment == 0, "{} lies at {}, not aligned to {} bytes", what,
         view.data, alignment);
}

void expect_owned(const osteon_tensor& tensor, const std::string& what) {
  expect(tensor.release != nullptr, "{} has no release; what is given is owned by the caller", what);
  expect(tensor.struct_size == sizeof tensor, "{} has struct_size {}; it is the caller's", what, tensor.struct_size);
  expect(tensor.flags == 0, "{} has flags {:#x}, expected 0", what, tensor.flags);
  expect_canonical(tensor.view, what);
}

double texture(std::int64_t y, std::int64_t x, std::int64_t c) {
  const double a = std::sin(0.9 * static_cast<double>(x) + 0.4 * static_cast<double>(y) + static_cast<double>(c));
  const double b = std::sin(0.3 * static_cast<double>(x) - 1.1 * static_cast<double>(y));
  const double d = std::sin(0.07 * static_cast<double>(x * y % 97));
  return std::clamp(0.5 + 0.22 * a + 0.2 * b + 0.08 * d, 0.0, 1.0);
}

double correlation(const float* before, const float* after, std::int64_t side, std::int64_t dy, std::int64_t dx) {
  constexpr std::int64_t kMargin = 4;
  double a = 0, b = 0, aa = 0, bb = 0, ab = 0, n = 0;
  for (std::int64_t y = kMargin; y < side - kMargin; ++y)
    for (std::int64_t x = kMargin; x < side - kMargin; ++x) {
      const double p = before[y * side + x];
      const double q = after[(y + dy) * side + x + dx];
      a += p, b += q, aa += p * p, bb += q * q, ab += p * q, n += 1;
    }
  const double variances = (aa - a * a / n) * (bb - b * b / n);
  return variances > 0 ? std::abs(ab - a * b / n) / std::sqrt(variances) : 0;
}

std::vector<float> values_of(const osteon_tensor_view& view) {
  if (view.dtype == sdk::dtype_of<float>() && sdk::is_contiguous(view)) {
    const auto* data = static_cast<const float*>(view.data);
    return {data, data + sdk::element_count(view)};
  }
  const auto read = [&view](std::int64_t at) -> float {
    if (view.dtype == osteon_dtype{OSTEON_DTYPE_FLOAT, 32, 1}) return static_cast<const float*>(view.data)[at];
    if (view.dtype == osteon_dtype{OSTEON_DTYPE_FLOAT, 64, 1})
      return static_cast<float>(static_cast<const double*>(view.data)[at]);
    const auto* halves = static_cast<const std::uint16_t*>(view.data);
    if (view.dtype == osteon_dtype{OSTEON_DTYPE_FLOAT, 16, 1}) return sdk::float_from_half(halves[at]);
    if (view.dtype == osteon_dtype{OSTEON_DTYPE_BFLOAT, 16, 1}) return sdk::float_from_bfloat(halves[at]);
    fail("a tensor is {}, expected a floating type", sdk::to_string(view.dtype));
  };
  std::vector<float> values;
  const std::int64_t count = sdk::element_count(view);
  values.reserve(static_cast<std::size_t>(count));
  std::vector<std::int64_t> index(static_cast<std::size_t>(view.ndim), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t at = 0;
    for (std::size_t d = 0; d < index.size(); ++d) at += index[d] * view.strides[d];
    values.push_back(read(at));
    for (std::size_t d = index.size(); d-- > 0;) {
      if (++index[d] < view.shape[d]) break;
      index[d] = 0;
    }
  }
  return values;
}

std::string Difference::describe() const {
  return fmt::format("at element {}: expected {:.9g}, got {:.9g}", index, expected, got);
}

Difference difference(const std::vector<float>& expected, const std::vector<float>& got) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Difference found;
  if (expected.size() != got.size())
    return {kInfinity, std::min(expected.size(), got.size()), static_cast<double>(expected.size()),
            static_cast<double>(got.size())};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] == got[i] || (std::isnan(expected[i]) && std::isnan(got[i]))) continue;
    double apart = std::abs(static_cast<double>(expected[i]) - static_cast<double>(got[i]));
    if (std::isnan(apart)) apart = kInfinity;
    if (apart > found.worst) found = {apart, i, expected[i], got[i]};
  }
  return found;
}

double greatest(const std::vector<float>& values) {
  double most = 0;
  for (const float value : values) most = std::max(most, std::abs(static_cast<double>(value)));
  return most;
}

std::size_t first_not_finite(const std::vector<float>& values) {
  return static_cast<std::size_t>(
      std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); }) - values.begin());
}

plugin::Parameters usual_parameters(const Subject& subject) {
  using plugin::ParameterType;
  plugin::Parameters parameters;
  for (const plugin::ParameterSpec& spec : subject.component.schema.parameters) {
    if (const auto given = subject.parameters.find(spec.name); given != subject.parameters.end()) {
      parameters.push_back(given->second);
      continue;
    }
    if (spec.default_value) {
      parameters.push_back(*spec.default_value);
      continue;
    }
    const auto count = static_cast<std::size_t>(spec.list ? std::max<std::uint64_t>(spec.min_count, 1) : 1);
    const double number = std::clamp(1.0, spec.minimum, spec.maximum);
    switch (spec.type) {
      case ParameterType::kBool:
        parameters.emplace_back(std::vector<bool>(count, true));
        break;
      case ParameterType::kInt:
        parameters.emplace_back(std::vector<std::int64_t>(count, static_cast<std::int64_t>(std::ceil(number))));
        break;
      case ParameterType::kFloat:
        parameters.emplace_back(std::vector<double>(count, number));
        break;
      case ParameterType::kFloatRange:
        parameters.emplace_back(std::vector<double>(2 * count, number));
        break;
      case ParameterType::kIntRange:
        parameters.emplace_back(std::vector<std::int64_t>(2 * count, static_cast<std::int64_t>(std::ceil(number))));
        break;
      case ParameterType::kString:
        parameters.emplace_back(std::vector<std::string>(count, "text"));
        break;
      case ParameterType::kChoice:
        parameters.emplace_back(std::vector<std::string>(count, spec.choices.at(0)));
        break;
      case ParameterType::kClasses:
        parameters.emplace_back(std::vector<std::string>(1, "class_0"));
        break;
      case ParameterType::kPredictor:
        parameters.emplace_back(std::vector<std::string>(count, "another"));
        break;
      case ParameterType::kPath:
        skip("parameter '{0}' is a path that only a recipe can know; give one with --set {0}=FILE", spec.name);
    }
  }
  return parameters;
}

plugin::ClassContext classes_of(std::int64_t count, bool multiclass) {
  plugin::ClassContext classes;
  classes.multiclass = multiclass;
  for (std::int64_t c = 0; c < count; ++c) classes.names.push_back("class_" + std::to_string(c));
  return classes;
}

void in_threads(int count, const std::function<void(int)>& body) {
  std::mutex mutex;
  std::exception_ptr failure;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

double best_milliseconds(int rounds, const std::function<void()>& work) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace osteon::validate
