// SPDX-License-Identifier: Apache-2.0
// `osteon plugins validate`, of a host that was built with other headers of the ABI: growth_host LIBRARY. It starts
// itself for each check: growth_host LIBRARY KIND COMPONENT CHECK.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include "base/child.hpp"
#include "base/error.hpp"
#include "plugin/descriptor.hpp"
#include "plugin/library.hpp"
#include "predict/resample.hpp"
#include "predict/tensor_cache.hpp"
#include "validate/check.hpp"

namespace {

using namespace osteon;
using plugin::Kind;
using validate::Check;

bool has_predictors(Kind kind) { return kind == Kind::kPostprocessor || kind == Kind::kEnsembler; }

// Named one by one, so that only those of the kind at hand have to be linked in.
const std::vector<Check>& checks_of(Kind kind) {
  if (kind == Kind::kModel) return validate::model_checks();
  if (kind == Kind::kLoss) return validate::loss_checks();
  if (kind == Kind::kAugmentation) return validate::augmentation_checks();
  if (kind == Kind::kPostprocessor) return validate::postprocessor_checks();
  return validate::ensembler_checks();
}

std::vector<Check> all_checks(Kind kind) {
  std::vector<Check> all = validate::component_checks();
  all.insert(all.end(), checks_of(kind).begin(), checks_of(kind).end());
  if (has_predictors(kind)) all.insert(all.end(), validate::fit_checks().begin(), validate::fit_checks().end());
  return all;
}

// In a child: what one check says.
int run_check(const std::string& file, const std::string& kind, const std::string& component,
              const std::string& wanted) {
  validate::Subject subject;
  subject.file = file;
  std::vector<Check> checks = validate::library_checks();
  if (!component.empty()) {
    const Kind of = plugin::kind_from_string(kind).value();
    if (has_predictors(of)) {
      predict::install_resample_service();
      predict::install_cache_service();
    }
    subject.component = plugin::component_of(*plugin::open_library(file).plugin, of, component);
    checks = all_checks(of);
  }
  for (const Check& check : checks) {
    if (check.name != wanted) continue;
    try {
      check.run(subject);
    } catch (const validate::NotApplicable&) {
    }
    return 0;
  }
  throw Error(ExitCode::kUsage, "there is no check '" + wanted + "'");
}

struct Tally {
  int passed = 0, failed = 0;
};

void run_checks(const std::string& file, const std::string& kind, const std::string& component,
                const std::vector<Check>& checks, Tally& tally) {
  const std::string program = std::filesystem::canonical("/proc/self/exe");
  for (const Check& check : checks) {
    const ChildOutcome outcome = run_child({program, file, kind, component, check.name}, std::chrono::minutes(10));
    ++(outcome.ended_well() ? tally.passed : tally.failed);
    if (!outcome.ended_well())
      std::printf("FAIL %s %s: %s\n", component.c_str(), check.name, outcome.trouble().c_str());
  }
}

int run_all(const std::string& file) {
  Tally tally;
  run_checks(file, "library", "", validate::library_checks(), tally);
  for (const plugin::ComponentSchema& schema : plugin::describe(*plugin::open_library(file).plugin).components)
    run_checks(file, plugin::to_string(schema.kind), schema.name, all_checks(schema.kind), tally);
  std::printf("%d of %d checks passed: %s\n", tally.passed, tally.passed + tally.failed, file.c_str());
  return tally.failed > 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const std::vector<std::string> given(arguments + 1, arguments + count);
    return given.size() == 4 ? run_check(given[0], given[1], given[2], given[3]) : run_all(given.at(0));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
