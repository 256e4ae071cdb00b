// SPDX-License-Identifier: Apache-2.0
#include "validate/validation.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>

#include <dlfcn.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/child.hpp"
#include "base/error.hpp"
#include "base/host_library.hpp"
#include "base/json.hpp"
#include "base/suggest.hpp"
#include "engine/environment.hpp"
#include "engine/kernel_check.hpp"
#include "plugin/dependencies.hpp"
#include "plugin/scan.hpp"
#include "validate/watchdog.hpp"

namespace osteon::validate {
namespace {

Verdict verdict_from(const std::string& text) {
  for (const Verdict verdict : {Verdict::kPass, Verdict::kSkip})
    if (text == to_string(verdict)) return verdict;
  return Verdict::kFail;
}

constexpr std::chrono::seconds kScanLimit{30};

std::chrono::milliseconds patient(const Request& request, std::chrono::seconds limit) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(limit * std::max(0.0, request.patience));
}

// Every check that there is, of whatever.
std::set<std::string> all_checks() {
  std::set<std::string> names;
  const auto add = [&names](const std::vector<CheckInfo>& list) {
    for (const CheckInfo& check : list) names.insert(check.name);
  };
  add(validator().library_checks());
  add(validator().component_checks());
  for (const plugin::Kind kind : {plugin::Kind::kModel, plugin::Kind::kLoss, plugin::Kind::kAugmentation,
                                  plugin::Kind::kPostprocessor, plugin::Kind::kEnsembler})
    add(validator().kind_checks(kind));
  return names;
}

void expect_known(const std::set<std::string>& asked, const std::set<std::string>& known, const std::string& what) {
  for (const std::string& name : asked)
    if (known.count(name) == 0)
      throw Error(ExitCode::kUsage,
                  "there is no " + what + " '" + name + "' here" + did_you_mean(name, {known.begin(), known.end()}));
}

/// What is to be run, and what could be: for what is asked for by name and is not there.
struct Plan {
  std::vector<Result> rows;
  std::set<std::string> checks, components, parameters;
};

void add_checks(const Request& request, const std::vector<CheckInfo>& list, const Result& of, Plan& plan) {
  for (const CheckInfo& check : list) {
    plan.checks.insert(check.name);
    if (!request.checks.empty() && request.checks.count(check.name) == 0) continue;
    plan.rows.push_back(of);
    plan.rows.back().check = check;
  }
}

std::vector<Result> planned(const Request& request) {
  expect_known(request.checks, all_checks(), "check");
  Plan plan;
  // Who asks for a component has no use for what is checked of its library, unless he says so.
  if (request.components.empty() || !request.checks.empty())
    add_checks(request, validator().library_checks(), {}, plan);
  const plugin::ScanResult scan = plugin::scan_library(request.file, request.program, patient(request, kScanLimit));
  for (const plugin::ComponentSchema& schema : scan.components) {
    plan.components.insert(schema.name);
    if (!request.components.empty() && request.components.count(schema.name) == 0) continue;
    parameters_of(schema, request.given);  // here, so that what is wrong is said once and not by every child
    for (const plugin::ParameterSpec& spec : schema.parameters) plan.parameters.insert(spec.name);
    Result of;
    of.component = schema.name;
    of.version = schema.version;
    of.kind = schema.kind;
    add_checks(request, validator().component_checks(), of, plan);
    add_checks(request, validator().kind_checks(schema.kind), of, plan);
  }
  if (!scan.refusal.empty()) {
    if (plan.rows.empty())
      throw Error(ExitCode::kPlugin, "the library is refused: " + scan.refusal, request.file.string());
    return plan.rows;
  }
  std::set<std::string> named;
  for (const std::string& parameter : request.given.parameters) named.insert(name_of(parameter));
  expect_known(request.components, plan.components, "component");
  expect_known(named, plan.parameters, "parameter");
  expect_known(request.checks, plan.checks, "check");
  return plan.rows;
}

/// Kernels that are wrong on this machine are no fault of the plugin's: they are kept off, as where it will be used.
void keep_off_wrong_kernels(const Request& request) {
  const std::vector<std::filesystem::path> needed = plugin::dependencies_of(request.file);
  if (std::any_of(needed.begin(), needed.end(),
                  [](const auto& library) { return library.filename().string().rfind("libtorch", 0) == 0; }))
    engine::check_kernels(request.program, engine::KernelTest::kWhereUnknown, request.stop);
}

/// Runs checks in processes of their own, one at a time. Where a worker has several of one component before it, a child
/// loads the library once and runs each check in a copy of itself (serve_checks).
class Worker {
 public:
  explicit Worker(const Request& request) : request_(request) {}

  void run(Result& result, bool more_of_it) {
    const auto limit = patient(request_, result.check.limit);
    const auto start = std::chrono::steady_clock::now();
    const std::vector<std::string> command = command_for(result);
    if (command != served_) {
      session_.reset();
      served_ = command;
      if (more_of_it && result.kind) session_.emplace(command);
    }
    // The child watches over itself, by its processor time. This is for one that cannot.
    const auto patience = 20 * limit;
    std::optional<ChildOutcome> outcome;
    if (session_) outcome = asked(result.check.name, limit, patience);
    if (!outcome) {
      session_.reset();
      std::vector<std::string> alone = command;
      alone.insert(alone.end(), {"--check", result.check.name, "--limit", std::to_string(limit.count())});
      outcome = run_child(alone, patience, request_.stop);
    }
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    result.answer = answer_from(*outcome);
  }

 private:
  // All of it but the check.
  std::vector<std::string> command_for(const Result& result) const {
    std::vector<std::string> command = {request_.program.string(), "run-check", request_.file.string(),
                                        result.kind ? plugin::to_string(*result.kind) : "library", result.component};
    const auto add = [&command](const char* flag, const std::string& value) {
      command.insert(command.end(), {flag, value});
    };
    if (!result.version.empty()) add("--component-version", result.version);
    for (const std::string& parameter : request_.given.parameters) add("--set", parameter);
    if (request_.given.channels) add("--channels", std::to_string(*request_.given.channels));
    if (request_.given.classes) add("--classes", std::to_string(*request_.given.classes));
    return command;
  }

  // Nothing when the child could not load the library or does not answer: then a child of its own shows why.
  std::optional<ChildOutcome> asked(const std::string& check, std::chrono::milliseconds limit,
                                    std::chrono::milliseconds patience) {
    const auto line = session_->ask(std::to_string(limit.count()) + " " + check, patience, request_.stop);
    if (!line) return std::nullopt;
    try {
      const nlohmann::json json = nlohmann::json::parse(*line);
      ChildOutcome outcome;
      outcome.limit = patience;
      outcome.status = json.at("status");
      outcome.timed_out = json.at("timed_out");
      outcome.err = json.at("err");
      outcome.answer = json.at("answer");
      return outcome;
    } catch (const nlohmann::json::exception&) {
      return std::nullopt;
    }
  }

  static Answer answer_from(const ChildOutcome& outcome) {
    // Whatever it answered: who ends badly has failed.
    if (!outcome.ended_well()) return {Verdict::kFail, outcome.trouble()};
    try {
      const nlohmann::json answer = nlohmann::json::parse(outcome.answer);
      return {verdict_from(answer.at("verdict")), answer.at("detail")};
    } catch (const nlohmann::json::exception&) {
      return {Verdict::kFail, "ended the process that checked it, with exit code 0"};
    }
  }

  const Request& request_;
  std::vector<std::string> served_;
  std::optional<ChildSession> session_;
};

// Whether a check of the same component comes after that of index i, for whoever runs it next.
bool followed(const std::vector<Result>& results, std::size_t i) {
  return i + 1 < results.size() && results[i + 1].kind == results[i].kind &&
         results[i + 1].component == results[i].component && results[i + 1].version == results[i].version;
}

void answer(const Answer& answer) {
  const nlohmann::json json = {{"verdict", to_string(answer.verdict)}, {"detail", answer.detail}};
  answer_parent(json_text(json));
}

}  // namespace

const char* to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kFail:
      return "fail";
    case Verdict::kSkip:
      return "skip";
  }
  return "fail";
}

const Validator& validator() {
  static const Validator* const kValidator = [] {
    // Not Boost.DLL: the checks are part of the program, and lie beside the host.
    void* library = ::dlopen((host_library().parent_path() / OSTEON_VALIDATOR_LIBRARY).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
      throw Error(ExitCode::kResources, std::string("the checks cannot be loaded: ") + ::dlerror(),
                  OSTEON_VALIDATOR_LIBRARY);
    const auto create = reinterpret_cast<CreateFunction>(::dlsym(library, kCreateSymbol));
    if (create == nullptr) throw Error(ExitCode::kResources, "the checks have no entry", OSTEON_VALIDATOR_LIBRARY);
    return create();
  }();
  return *kValidator;
}

std::vector<Result> validate(const Request& request, const std::function<void(const Result&)>& show) {
  engine::prepare_numeric_environment();  // children inherit it
  std::vector<Result> results = planned(request);
  keep_off_wrong_kernels(request);
  std::vector<char> done(results.size(), 0);
  std::size_t next = 0, shown = 0;
  std::mutex mutex;
  std::condition_variable changed;
  std::exception_ptr failure;
  std::vector<std::thread> workers;
  for (int i = 0; i < std::max(1, request.children); ++i)
    workers.emplace_back([&] {
      Worker worker(request);
      while (true) {
        std::size_t mine = 0;
        {
          const std::lock_guard<std::mutex> lock(mutex);
          if (failure || next == results.size()) return;
          mine = next++;
        }
        try {
          worker.run(results[mine], followed(results, mine));
        } catch (...) {
          const std::lock_guard<std::mutex> lock(mutex);
          failure = std::current_exception();
        }
        const std::lock_guard<std::mutex> lock(mutex);
        done[mine] = 1;
        changed.notify_one();
      }
    });
  {
    std::unique_lock<std::mutex> lock(mutex);
    while (shown < results.size() && !failure) {
      changed.wait(lock, [&] { return failure || done[shown]; });
      while (!failure && shown < results.size() && done[shown]) show(results[shown++]);
    }
  }
  for (std::thread& worker : workers) worker.join();
  if (failure) std::rethrow_exception(failure);
  return results;
}

void run_check(const std::filesystem::path& file, const Checked& what, const std::string& check, const Given& given,
               std::chrono::milliseconds limit) {
  // A check that crashes is a verdict, not a file on the disk.
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  std::optional<Watchdog> watchdog;
  if (limit.count() > 0)
    watchdog.emplace(limit, [](const std::string& text) {
      answer({Verdict::kFail, text});
      ::_exit(0);
    });
  const Answer verdict = validator().run(file, what, check, given);
  watchdog.reset();  // so that one of the two answers
  answer(verdict);
}

void serve_checks(const std::filesystem::path& file, const Checked& what, const Given& given,
                  const std::atomic<bool>& stop) {
  validator().load(file);
  // A copy of a process with more threads than one would wait for them for ever.
  const auto threads = std::filesystem::directory_iterator("/proc/self/task");
  if (std::distance(begin(threads), end(threads)) != 1) return;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::int64_t limit = 0;
    std::string check;
    words >> limit >> check;
    const std::chrono::milliseconds time(limit);
    const ChildOutcome outcome = run_copy(
        [&] {
          try {
            run_check(file, what, check, given, time);
            return static_cast<int>(ExitCode::kDone);
          } catch (const Error& e) {
            std::fprintf(stderr, "%s\n", e.what());
            return static_cast<int>(e.code());
          }
        },
        20 * time, &stop);
    const nlohmann::json how = {{"status", outcome.status},
                                {"timed_out", outcome.timed_out},
                                {"err", last_line(outcome.err)},
                                {"answer", outcome.answer}};
    answer_parent(json_text(how) + "\n");
  }
}

}  // namespace osteon::validate
