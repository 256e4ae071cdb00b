// SPDX-License-Identifier: Apache-2.0
#include "validate/probe.hpp"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <fstream>
#include <limits>
#include <mutex>
#include <thread>

#include <osteon/sdk/half.hpp>
#include <osteon/sdk/random.hpp>

namespace osteon::validate {
namespace {

const char* status_name(osteon_status status) {
  static const char* const kNames[] = {"OK",
                                       "INVALID_ARGUMENT",
                                       "UNSUPPORTED",
                                       "OUT_OF_MEMORY",
                                       "OUT_OF_DEVICE_"
                                       "MEMORY",
                                       "CANCELLED",
                                       "FAILED"};
  return status >= 0 && status < 7 ? kNames[status] : "a status that the ABI does not know";
}

// What a gap holds: a number that no content has, and that changes a sum when it is read.
constexpr float kGap = 12345.0f;

std::uint64_t bytes_in_use() {
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

std::string Outcome::describe() const {
  return fmt::format("{} ({})", status_name(status), text.empty() ? "no text" : text);
}

Outcome attempt(const std::function<osteon_status(osteon_error*)>& function) {
  char text[2048] = "";
  osteon_error error{sizeof error, sizeof text, text};
  Outcome outcome;
  outcome.status = function(&error);
  text[sizeof text - 1] = '\0';
  outcome.text = text;
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
  expect(!outcome.text.empty(), "{} returned {} without a text that says why; fill in osteon_error.text", what,
         status_name(outcome.status));
}

SteeredCall::SteeredCall(int threads, std::int64_t cancel_at)
    : inner_([threads] {
        plugin::CallOptions options;
        options.threads = threads;
        return options;
      }()) {
  // The functions that stay find their host through `host`, which the copy shares.
  steered_.call = *inner_.raw();
  steered_.cancel_at = cancel_at;
  steered_.call.cancelled = [](const osteon_call* call) {
    const auto& steered = *reinterpret_cast<const Steered*>(call);
    return steered.polls.fetch_add(1) >= steered.cancel_at ? 1 : 0;
  };
  steered_.call.log = [](const osteon_call*, std::int32_t, const char*) {};
  steered_.call.progress = [](const osteon_call*, double) {};
}

ProbeTensor::ProbeTensor(osteon_dtype type, std::vector<std::int64_t> shape)
    : shape_(std::move(shape)), strides_(shape_.size()) {
  count_ = 1;
  for (std::size_t i = shape_.size(); i-- > 0;) {
    strides_[i] = count_;
    count_ *= shape_[i];
  }
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

const char* to_string(Layout layout) noexcept {
  switch (layout) {
    case Layout::kChannelSlice:
      return "a channel slice of a larger tensor";
    case Layout::kPaddedRows:
      return "padded rows";
    case Layout::kChannelsLast:
      return "channels last";
  }
  return "";
}

LaidOut::LaidOut(const ProbeTensor& content, Layout layout)
    : shape_(content.view().shape, content.view().shape + content.view().ndim) {
  const std::int64_t n = shape_[0], c = shape_[1], h = shape_[2], w = shape_[3];
  std::int64_t first = 0;
  switch (layout) {
    case Layout::kChannelSlice:
      // Beginning at its second channel, padded so that it is aligned all the same.
      strides_ = {(c + 2) * ((h * w + 15) / 16 * 16), (h * w + 15) / 16 * 16, w, 1};
      first = strides_[1];
      break;
    case Layout::kPaddedRows:
      strides_ = {c * h * (w + 5), h * (w + 5), w + 5, 1};
      break;
    case Layout::kChannelsLast:
      strides_ = {h * w * c, 1, w * c, c};
      break;
  }
  memory_ = std::make_unique<ProbeTensor>(std::vector<std::int64_t>{n * strides_[0]});
  std::fill_n(memory_->data(), memory_->count(), kGap);
  view_ = content.view();
  view_.data = memory_->data() + first;
  view_.shape = shape_.data();
  view_.strides = strides_.data();
  const float* from = content.data();
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t k = 0; k < c; ++k)
      for (std::int64_t y = 0; y < h; ++y)
        for (std::int64_t x = 0; x < w; ++x)
          static_cast<float*>(view_.data)[i * strides_[0] + k * strides_[1] + y * strides_[2] + x * strides_[3]] =
              *from++;
}

std::vector<float> LaidOut::values() const { return values_of(view_); }

bool LaidOut::gaps_untouched() const {
  const std::int64_t gaps = memory_->count() - sdk::element_count(view_);
  return std::count(memory_->data(), memory_->data() + memory_->count(), kGap) >= gaps;
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

std::string expect_no_growth(const std::string& what, const std::function<void()>& work) {
  // Below this a window says nothing: the heap's own book-keeping moves by some kilobytes.
  constexpr double kWindowBytes = 65536;
  constexpr double kResidentMib = 64;
  // Caches fill up first, and a plan may measure and compile in its first dozen calls.
  constexpr int kWarmUp = 12;
  const double milliseconds = best_milliseconds(kWarmUp, work);
  const int rounds = static_cast<int>(std::clamp(400 / milliseconds, 8.0, 2000.0));
  // Two windows: something that fills up late grows in one of them, a leak in both.
  double least = std::numeric_limits<double>::infinity();
  const std::int64_t resident = resident_bytes();
  for (int window = 0; window < 2; ++window) {
    const std::uint64_t before = bytes_in_use();
    for (int i = 0; i < rounds; ++i) work();
    least = std::min(least, static_cast<double>(bytes_in_use()) - static_cast<double>(before));
  }
  const double megabytes = static_cast<double>(resident_bytes() - resident) / 1048576;
  expect(least < kWindowBytes, "{}: memory in use grows by {:.0f} bytes each time, in two windows of {} rounds", what,
         least / rounds, rounds);
  expect(megabytes < kResidentMib, "{}: the resident set grew by {:.0f} MiB in {} rounds", what, megabytes, 2 * rounds);
  return fmt::format("{} rounds", 2 * rounds + kWarmUp);
}

std::string expect_cancellable(const std::string& what,
                               const std::function<Outcome(const osteon_call*, bool* right)>& work) {
  constexpr double kLong = 200;  // milliseconds in which four polls are promised
  bool right = false;
  const SteeredCall free;
  Outcome outcome;
  double took = best_milliseconds(1, [&] { outcome = work(free.raw(), &right); });
  expect_ok(outcome, what);
  // On a busy machine a short call can take long; the best of some is the call's own.
  const SteeredCall again;
  if (took >= kLong) took = std::min(took, best_milliseconds(4, [&] { outcome = work(again.raw(), &right); }));
  expect(free.polls() > 0 || took < kLong, "{} took {:.0f} ms and never asked cancelled(); ask at least every 50 ms",
         what, took);
  for (std::int64_t at = 0; at < std::min<std::int64_t>(free.polls(), 4); ++at) {
    const SteeredCall steered(1, at);
    outcome = work(steered.raw(), &right);
    if (outcome.status == OSTEON_CANCELLED) continue;
    expect(outcome.ok(), "{}, stopped at poll {}, returned {}, expected CANCELLED", what, at + 1, outcome.describe());
    // It may have been done; then it was done altogether.
    expect(right, "{}, stopped at poll {}, returned OK with another result than an undisturbed one", what, at + 1);
    expect(took < kLong || at + 1 == free.polls(), "{} takes {:.0f} ms, was stopped at poll {} of {}, and went on",
           what, took, at + 1, free.polls());
  }
  return fmt::format("{}: {} polls in {:.0f} ms", what, free.polls(), took);
}

bool no_polls(const std::string& report) { return report.find(": 0 polls") != std::string::npos; }

double best_milliseconds(int rounds, const std::function<void()>& work) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < rounds; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

double peak_resident_mib() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace osteon::validate
