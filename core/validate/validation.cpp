// SPDX-License-Identifier: Apache-2.0
#include "validate/validation.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include <dlfcn.h>
#include <sys/resource.h>

#include "base/child.hpp"
#include "base/error.hpp"
#include "base/host_library.hpp"
#include "base/suggest.hpp"
#include "engine/environment.hpp"
#include "plugin/scan.hpp"

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

std::vector<Result> planned(const Request& request) {
  std::vector<Result> plan;
  std::set<std::string> checks, components, parameters, named;
  for (const std::string& parameter : request.given.parameters) named.insert(name_of(parameter));
  const auto add = [&](const std::string& component, std::optional<plugin::Kind> kind,
                       const std::vector<CheckInfo>& list) {
    for (const CheckInfo& check : list) {
      checks.insert(check.name);
      if (request.checks.empty() || request.checks.count(check.name)) plan.push_back({component, kind, check, {}, 0});
    }
  };
  const auto expect_known = [](const std::set<std::string>& asked, const std::set<std::string>& known,
                               const std::string& what) {
    for (const std::string& name : asked)
      if (known.count(name) == 0)
        throw Error(ExitCode::kUsage,
                    "there is no " + what + " '" + name + "' here" + did_you_mean(name, {known.begin(), known.end()}));
  };
  if (request.components.empty()) add("", std::nullopt, validator().library_checks());
  const plugin::ScanResult scan = plugin::scan_library(request.file, request.program, patient(request, kScanLimit));
  for (const plugin::ComponentSchema& schema : scan.components) {
    components.insert(schema.name);
    if (!request.components.empty() && request.components.count(schema.name) == 0) continue;
    parameters_of(schema, request.given);  // here, so that what is wrong is said once and not by every child
    for (const plugin::ParameterSpec& spec : schema.parameters) parameters.insert(spec.name);
    add(schema.name, schema.kind, validator().component_checks());
    add(schema.name, schema.kind, validator().kind_checks(schema.kind));
  }
  if (scan.refusal.empty()) {
    expect_known(request.components, components, "component");
    expect_known(named, parameters, "parameter");
    for (const CheckInfo& check : validator().library_checks()) checks.insert(check.name);
    expect_known(request.checks, checks, "check");
  } else if (plan.empty()) {
    throw Error(ExitCode::kPlugin, "the library is refused: " + scan.refusal, request.file.string());
  }
  return plan;
}

void run_one(const Request& request, Result& result) {
  const auto limit = patient(request, result.check.limit);
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::string> command = {
      request.program.string(), "run-check",
      request.file.string(),    result.kind ? plugin::to_string(*result.kind) : "library",
      result.component,         result.check.name};
  const auto add = [&command](const char* flag, const std::string& value) {
    command.insert(command.end(), {flag, value});
  };
  for (const std::string& parameter : request.given.parameters) add("--set", parameter);
  if (request.given.channels) add("--channels", std::to_string(*request.given.channels));
  if (request.given.classes) add("--classes", std::to_string(*request.given.classes));
  const ChildOutcome outcome = run_child(command, limit, request.stop);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // Whatever it answered: who ends badly has failed.
  if (!outcome.ended_well()) {
    result.answer = {Verdict::kFail, outcome.trouble()};
    return;
  }
  try {
    const nlohmann::json answer = nlohmann::json::parse(outcome.answer);
    result.answer = {verdict_from(answer.at("verdict")), answer.at("detail")};
  } catch (const nlohmann::json::exception&) {
    result.answer = {Verdict::kFail, "ended the process that checked it, with exit code 0"};
  }
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
  std::vector<char> done(results.size(), 0);
  std::size_t next = 0, shown = 0;
  std::mutex mutex;
  std::condition_variable changed;
  std::exception_ptr failure;
  std::vector<std::thread> workers;
  for (int i = 0; i < std::max(1, request.children); ++i)
    workers.emplace_back([&] {
      while (true) {
        std::size_t mine = 0;
        {
          const std::lock_guard<std::mutex> lock(mutex);
          if (failure || next == results.size()) return;
          mine = next++;
        }
        try {
          run_one(request, results[mine]);
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

void run_check(const std::filesystem::path& file, const std::string& kind, const std::string& component,
               const std::string& check, const Given& given) {
  // A check that crashes is a verdict, not a file on the disk.
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  const Answer answer =
      validator().run(file, plugin::kind_from_string(kind).value_or(plugin::Kind::kModel), component, check, given);
  const nlohmann::json json = {{"verdict", to_string(answer.verdict)}, {"detail", answer.detail}};
  answer_parent(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace osteon::validate
