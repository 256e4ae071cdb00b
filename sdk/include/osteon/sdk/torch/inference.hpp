// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/InferenceMode.h>
#include <torch/cuda.h>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/torch/graph.hpp>
#include <osteon/sdk/torch/guards.hpp>
#include <osteon/sdk/torch/plan_memory.hpp>

namespace osteon::sdk::detail {

/// Ways to run the same forward. kPlain is the reference: the author's code as written, on a row-major input.
enum class Strategy { kPlain, kChannelsLast, kGraph };
constexpr std::size_t kStrategies = 3;
constexpr std::array<const char*, kStrategies> kStrategyNames = {"plain", "channels-last", "graph"};

/// What a choice is made for and remembered by.
struct InferenceKey {
  std::vector<std::int64_t> shape;
  int threads = 1;
  std::string device;
  std::uint32_t precision = OSTEON_PRECISION_FLOAT32;

  bool operator==(const InferenceKey& other) const {
    return shape == other.shape && threads == other.threads && device == other.device && precision == other.precision;
  }
  std::string text() const {
    static const char* const kPrecisions[] = {"float32", "float16", "bfloat16", "tf32"};
    return c10::str(at::IntArrayRef(shape)) + " " + kPrecisions[precision] + " on " + device + ", " +
           std::to_string(threads) + (threads == 1 ? " thread" : " threads");
  }
};

/// Finds the fastest way to predict, for each shape, thread count, device and precision, while it predicts.
///
/// The first forwards of a key are the measurement; each one's result is used, so trying costs one additional plain
/// forward per candidate (which its result must equal to within 1e-4 of the result's range) and one compilation.
/// Nothing is tried before a shape has come back, and nothing is compiled before its seventh time, so a single image
/// pays for nothing. A candidate that fails or differs is dropped, and the log says so. Changed weights keep the choice
/// and drop the graph, which is compiled and checked again at the second forward after the change.
///
/// Where the host keeps a memory (PlanMemory), what was found out is left to later processes. They measure nothing, and
/// compare the choice with the reference at its second forward before they use it.
///
/// Memory: a chosen graph holds packed weights, about as much as the weights themselves, for each shape it was chosen
/// for; the 8 keys last used are remembered.
///
/// run() and describe() may be called from several threads; one of them at a time measures, the others run what is best
/// so far.
class InferencePlan {
 public:
  InferencePlan(Network& network, const ParameterTable& parameters)
      : network_(network),
        parameters_(parameters),
        own_kernels_(network.traits().own_kernels),
        memory_(network, parameters) {}

  at::Tensor run(const Call& call, const at::Tensor& input, std::uint32_t precision, bool plain) {
    const bool settled = own_kernels_ && input.is_cpu() && precision == OSTEON_PRECISION_FLOAT32;
    if (plain || settled) return run_eager(input, precision, at::MemoryFormat::Contiguous);
    const std::shared_ptr<Record> record =
        find({input.sizes().vec(), call.threads(), input.device().str(), precision}, call);
    std::unique_lock<std::mutex> measuring(record->measuring, std::try_to_lock);
    if (measuring.owns_lock() && has_work(*record)) return run_and_learn(call, *record, input);
    const auto [strategy, graph] = current(*record);
    return run_as(strategy, graph, input, precision);
  }

  /// All outputs that the author's forward gives when they are wanted, row-major, the main one first. Nothing is
  /// measured: it runs as it is.
  std::vector<at::Tensor> run_all(const at::Tensor& input, std::uint32_t precision) {
    const c10::InferenceMode inference;
    const PrecisionGuard guard(input.device(), precision);
    std::vector<at::Tensor> results = network_.forward(input, Outputs::kAll);
    for (at::Tensor& result : results)
      if (result.defined()) result = result.contiguous();
    return results;
  }

  /// The weights changed. Not while run() or run_all() runs.
  void parameters_changed() {
    network_.parameters_changed();
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& record : records_) {
      record->graph.reset();
      record->forwards_since_change = 0;
      // A graph that was still being measured is compiled again, as its first trial does.
      if (record->next_trial > kFirstGraphTrial && record->next_trial < kTrials.size())
        record->next_trial = kFirstGraphTrial;
    }
  }

  /// One line for each remembered key: what was chosen and what each candidate took.
  std::vector<std::string> describe() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> lines;
    if (own_kernels_) lines.emplace_back("float32 on the CPU: runs the model's own kernels");
    for (const auto& record : records_) lines.push_back(describe(*record));
    return lines;
  }

 private:
  struct Trial {
    Strategy strategy;
    bool first;  ///< warms up and, but for kPlain, is compared with kPlain; the others are timed
  };
  static constexpr std::array<Trial, 9> kTrials = {{{Strategy::kPlain, true},
                                                    {Strategy::kPlain, false},
                                                    {Strategy::kPlain, false},
                                                    {Strategy::kChannelsLast, true},
                                                    {Strategy::kChannelsLast, false},
                                                    {Strategy::kChannelsLast, false},
                                                    {Strategy::kGraph, true},
                                                    {Strategy::kGraph, false},
                                                    {Strategy::kGraph, false}}};
  static constexpr std::size_t kFirstGraphTrial = 6;
  static constexpr std::size_t kRemembered = 8;
  /// A candidate must beat the reference by more than runs drift.
  static constexpr double kMargin = 0.97;

  struct Record {
    InferenceKey key;
    std::mutex measuring;  ///< held by the one thread that tries something
    // The rest is guarded by mutex_.
    std::size_t next_trial = 0;
    std::array<double, kStrategies> ms{kUnknown, kUnknown, kUnknown};
    std::array<std::string, kStrategies> dropped;  ///< why; empty: still a candidate
    Strategy choice = Strategy::kPlain;            ///< final once all trials are done
    std::shared_ptr<CompiledGraph> graph;
    std::uint64_t forwards_since_change = 0;
    bool recalled = false;  ///< another process measured
    bool unproven = false;  ///< and here the choice was not yet compared with the reference
  };
  static constexpr double kUnknown = std::numeric_limits<double>::infinity();

  std::shared_ptr<Record> find(InferenceKey key, const Call& call) {
    std::string forgotten;
    const std::shared_ptr<Record> record = find(std::move(key), &forgotten);
    if (!forgotten.empty()) call.info("inference plan: forgets " + forgotten + ", the key used longest ago");
    return record;
  }

  std::shared_ptr<Record> find(InferenceKey key, std::string* forgotten) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto known = std::find_if(records_.begin(), records_.end(), [&](const auto& record) { return record->key == key; });
    if (known == records_.end()) {
      if (records_.size() == kRemembered) {
        *forgotten = records_.back()->key.text();
        records_.pop_back();
      }
      records_.push_front(std::make_shared<Record>());
      records_.front()->key = std::move(key);
      recall(*records_.front());
    } else {
      records_.splice(records_.begin(), records_, known);
    }
    ++records_.front()->forwards_since_change;
    return records_.front();
  }

  /// What another process found out of this key.
  void recall(Record& record) const {
    const auto findings = memory_.find<kStrategies>(record.key.text());
    if (!findings) return;
    record.next_trial = kTrials.size();
    record.choice = static_cast<Strategy>(findings->choice);
    for (std::size_t i = 0; i < kStrategies; ++i) record.ms[i] = findings->ms[i] > 0 ? findings->ms[i] : kUnknown;
    record.dropped = findings->dropped;
    record.recalled = true;
    record.unproven = record.choice != Strategy::kPlain;
  }

  /// Leaves what was found out to later processes. The caller holds record.measuring.
  void keep(const Call& call, const Record& record) {
    PlanFindings<kStrategies> findings;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      findings = {static_cast<std::size_t>(record.choice), record.ms, record.dropped};
    }
    for (double& ms : findings.ms)
      if (std::isinf(ms)) ms = 0;
    if (!memory_.keep(record.key.text(), findings))
      call.warn("the inference plan cannot be kept in " + PlanMemory::folder().string() +
                "; every process will measure anew");
  }

  /// Whether something is left to measure, a graph is to be compiled again, or a recalled choice to be compared.
  bool has_work(const Record& record) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (record.next_trial < kTrials.size()) return true;
    return record.forwards_since_change > 1 && !is_ready(record);
  }

  /// Whether the choice can be run as it is. The caller holds mutex_.
  static bool is_ready(const Record& record) {
    return !record.unproven && (record.choice != Strategy::kGraph || record.graph != nullptr);
  }

  std::pair<Strategy, std::shared_ptr<CompiledGraph>> current(const Record& record) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!is_ready(record)) return {Strategy::kPlain, nullptr};
    return {record.choice, record.graph};
  }

  /// One forward that is also a step of the measurement. The caller holds record.measuring.
  at::Tensor run_and_learn(const Call& call, Record& record, const at::Tensor& input) {
    const std::uint32_t precision = record.key.precision;
    const bool chosen = record.next_trial == kTrials.size();  // and to be compiled again, or compared
    const Trial trial = chosen ? Trial{record.choice, true} : kTrials[record.next_trial];
    const auto index = static_cast<std::size_t>(trial.strategy);
    if (trial.strategy == Strategy::kGraph && precision != OSTEON_PRECISION_FLOAT32)
      drop(record, trial.strategy, "float32 only");
    at::Tensor result;
    if (!record.dropped[index].empty()) {
      result = run_eager(input, precision, at::MemoryFormat::Contiguous);
    } else if (trial.strategy == Strategy::kPlain || !trial.first) {
      const double ms = timed(input.device(), [&] { result = run_as(trial.strategy, record.graph, input, precision); });
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!trial.first) record.ms[index] = std::min(record.ms[index], ms);
    } else {
      result = try_candidate(call, record, trial.strategy, input);
    }
    if (!chosen)
      advance(call, record);
    else if (record.recalled && !record.dropped[index].empty())
      keep(call, record);  // so that nobody tries it again
    return result;
  }

  /// The candidate's result when it equals the reference, else the reference's.
  at::Tensor try_candidate(const Call& call, Record& record, Strategy strategy, const at::Tensor& input) {
    const std::uint32_t precision = record.key.precision;
    const at::Tensor reference = run_eager(input, precision, at::MemoryFormat::Contiguous);
    std::string why;
    try {
      std::shared_ptr<CompiledGraph> graph;
      // Traced on other pixels than it is compared on: a value that the author's code took out of the data (item(), an
      // if) became a constant of the graph, and shows.
      if (strategy == Strategy::kGraph)
        graph = std::make_shared<CompiledGraph>(network_, parameters_, input * 0.5 + 0.25);
      const at::Tensor result = run_as(strategy, graph, input, precision);
      const double difference = relative_difference(result, reference, precision);
      if (difference <= 1) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (graph != nullptr) record.graph = graph;
        record.unproven = false;
        return result;
      }
      why = "its result differs from the plain one by " + std::to_string(difference) + " times what is allowed";
    } catch (const c10::Error& e) {
      why = e.what_without_backtrace();
    } catch (const std::exception& e) {
      why = e.what();
    }
    call.warn("inference plan, " + record.key.text() + ": " + kStrategyNames[static_cast<std::size_t>(strategy)] +
              " is not used: " + why);
    drop(record, strategy, why);
    return reference;
  }

  void drop(Record& record, Strategy strategy, const std::string& why) {
    const std::lock_guard<std::mutex> lock(mutex_);
    record.dropped[static_cast<std::size_t>(strategy)] = why;
    if (record.choice != strategy) return;
    record.choice = Strategy::kPlain;
    record.unproven = false;
  }

  /// On to the next trial of a strategy that is still a candidate; after the last one, the choice.
  void advance(const Call& call, Record& record) {
    std::string chosen;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      do {
        ++record.next_trial;
      } while (record.next_trial < kTrials.size() &&
               !record.dropped[static_cast<std::size_t>(kTrials[record.next_trial].strategy)].empty());
      if (record.next_trial < kTrials.size()) return;
      record.choice = fastest(record);
      if (record.choice != Strategy::kGraph) record.graph.reset();
      chosen = describe(record);
    }
    call.raw()->log(call.raw(), OSTEON_LOG_DEBUG, ("inference plan, " + chosen).c_str());
    keep(call, record);
  }

  static Strategy fastest(const Record& record) {
    std::size_t winner = 0;
    double best = record.ms[0] * kMargin;
    for (std::size_t i = 1; i < kStrategies; ++i) {
      if (record.ms[i] >= best || !record.dropped[i].empty()) continue;
      best = record.ms[i];
      winner = i;
    }
    return static_cast<Strategy>(winner);
  }

  at::Tensor run_as(Strategy strategy, const std::shared_ptr<CompiledGraph>& graph, const at::Tensor& input,
                    std::uint32_t precision) {
    if (strategy == Strategy::kGraph) return graph->run(input);
    return run_eager(input, precision,
                     strategy == Strategy::kPlain ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast);
  }

  at::Tensor run_eager(const at::Tensor& input, std::uint32_t precision, at::MemoryFormat format) {
    const c10::InferenceMode inference;
    const PrecisionGuard guard(input.device(), precision);
    // Row-major again here, so that the time of a layout includes the way back.
    return network_.forward(input.contiguous(format), Outputs::kMain).at(0).contiguous();
  }

  template <class Function>
  static double timed(at::Device device, Function&& function) {
    const auto wait = [device] {
      if (device.is_cuda()) torch::cuda::synchronize(device.index());
    };
    wait();
    const auto start = std::chrono::steady_clock::now();
    function();
    wait();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }

  /// Greatest difference in units of what is allowed: 1e-4 of the reference's range, or the rounding of the other
  /// precisions.
  static double relative_difference(const at::Tensor& result, const at::Tensor& reference, std::uint32_t precision) {
    const double tolerance = precision == OSTEON_PRECISION_FLOAT32 ? 1e-4 : 2e-2;
    const at::Tensor expected = reference.to(at::kFloat);
    const double range = (expected.max() - expected.min()).item<double>();
    const double difference = (result.to(at::kFloat) - expected).abs().max().item<double>();
    // Written so that a NaN on either side is a difference.
    return difference <= tolerance * range ? 0 : difference / std::max(tolerance * range, 1e-30);
  }

  static std::string describe(const Record& record) {
    std::string text = record.key.text() + ": ";
    for (std::size_t i = 0; i < kStrategies; ++i) {
      char ms[32];
      std::snprintf(ms, sizeof ms, "%.1f ms", record.ms[i]);
      text += std::string(i ? ", " : "") + kStrategyNames[i] + " " +
              (!record.dropped[i].empty()                      ? "dropped"
               : std::isinf(record.ms[i]) ? "not measured"
                                                               : ms);
    }
    text += "; ";
    text += record.next_trial < kTrials.size()
                ? "still measuring"
                : std::string("runs ") + kStrategyNames[static_cast<std::size_t>(record.choice)] +
                      (record.recalled ? ", as an earlier process measured" : "");
    return text;
  }

  Network& network_;
  const ParameterTable& parameters_;
  const bool own_kernels_;
  const PlanMemory memory_;
  mutable std::mutex mutex_;
  std::list<std::shared_ptr<Record>> records_;  ///< the one used last comes first
};

}  // namespace osteon::sdk::detail
