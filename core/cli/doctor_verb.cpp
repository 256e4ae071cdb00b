// SPDX-License-Identifier: Apache-2.0
// `osteon doctor`.
#include <memory>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/visible.hpp"
#include "cli/verbs.hpp"
#include "engine/environment.hpp"

namespace osteon::cli {
namespace {

nlohmann::json examine(Program& program, bool retest) {
  const engine::NumericEnvironment environment = engine::prepare_numeric_environment();
  nlohmann::json result = {
      {"osteon", OSTEON_VERSION},
      {"abi", fmt::format("{}.{}", OSTEON_ABI_MAJOR, OSTEON_ABI_MINOR)},
      {"cores", environment.cores},
      {"threads", environment.threads},
      {"instruction_set", environment.instruction_set},
      {"blas",
       {{"kind", environment.blas_kind}, {"path", environment.blas}, {"openblas_coretype", environment.core_type}}},
      {"cache", cache_folder().string()},
      {"advice", environment.advice}};
  program.shows_warnings = false;  // they are advice here
  auto& plugins = result["plugins"];
  plugins["folders"] = nlohmann::json::array();
  for (const auto& folder : program.registry().folders()) plugins["folders"].push_back(folder.string());
  plugins["allow_lists"] = nlohmann::json::array();
  for (const plugin::AllowList& list : program.registry().allow_lists())
    plugins["allow_lists"].push_back({{"file", list.origin()}, {"libraries", list.size()}});
  int ok = 0, refused = 0, skipped = 0;
  for (const plugin::Listing& listing : program.registry().listings())
    ++(listing.ok() ? ok : listing.status == plugin::Listing::Status::kSkipped ? skipped : refused);
  plugins["found"] = ok;
  plugins["refused"] = refused;
  plugins["skipped"] = skipped;
  if (skipped > 0)
    result["advice"].push_back(
        "Some components are newer than this program and are left aside; `osteon plugins list` says why");
  if (refused > 0) result["advice"].push_back("Some plugin files are refused; `osteon plugins list` says why");
  for (const std::string& warning : program.registry().warnings()) result["advice"].push_back(warning);
  result["engine"] = program.engine(retest ? engine::KernelTest::kAnew : engine::KernelTest::kWhereUnknown).doctor();
  return result;
}

void print_kernels(const engine::KernelReport& kernels) {
  const auto row = [](const std::string& value) { print_result("{:<16} {}\n", "kernels", value); };
  if (!kernels.tested) row("used untested, for their self-test came to no end: " + kernels.untested);
  for (const char* precision : {"float32", "bfloat16"})
    if (const engine::KernelFault* fault = kernels.fault_in(precision))
      row(fmt::format("WRONG in {}: {}: {}", precision, fault->operation, fault->detail));
    else if (kernels.tested)
      row(fmt::format("right in {}", precision));
  if (!kernels.held_to.empty())
    row(fmt::format("held to {}, for with more the {} in {} is wrong: {}", kernels.held_to,
                    kernels.avoided[0].operation, kernels.avoided[0].precision, kernels.avoided[0].detail));
}

void print(const nlohmann::json& r) {
  const auto& engine = r.at("engine");
  const auto text = [](const nlohmann::json& value) {
    return value.is_string() ? value.get<std::string>() : json_text(value);
  };
  const auto row = [&](const char* name, const std::string& value) {
    print_result("{:<16} {}\n", name, visible(value));
  };
  row("osteon", text(r.at("osteon")) + ", plugin ABI " + text(r.at("abi")));
  row("LibTorch", text(engine.at("libtorch")));
  row("OpenCV", text(engine.at("opencv")));
  row("BLAS", text(r.at("blas").at("kind")) + " at " + text(r.at("blas").at("path")));
  const std::string core = text(engine.at("openblas_core"));
  const std::string asked = text(r.at("blas").at("openblas_coretype"));
  if (!core.empty())
    row("OpenBLAS core", core + (asked.empty() ? " (detected)" : " (OPENBLAS_CORETYPE=" + asked + ")"));
  row("matrix product", fmt::format("{:.0f} GFLOP/s measured", engine.at("matmul_gflops").get<double>()));
  row("threads", fmt::format("{} of {} cores", engine.at("threads").get<int>(), r.at("cores").get<int>()));
  row("instruction set", text(r.at("instruction_set")));
  print_kernels(engine::kernel_report_from_json(engine.at("kernels")));
  row("CUDA", engine.at("cuda").at("available").get<bool>()
                  ? fmt::format("{} devices", engine.at("cuda").at("devices").get<int>())
                  : "none");
  for (const auto& folder : r.at("plugins").at("folders")) row("plugin folder", text(folder));
  for (const auto& list : r.at("plugins").at("allow_lists"))
    row("allowed plugins", fmt::format("{} libraries of {}", list.at("libraries").get<int>(), text(list.at("file"))));
  if (r.at("plugins").at("allow_lists").empty()) row("allowed plugins", "whatever the plugin folders hold");
  row("plugins", fmt::format("{} found, {} refused", r.at("plugins").at("found").get<int>(),
                             r.at("plugins").at("refused").get<int>()));
  row("cache", text(r.at("cache")));
  if (r.at("advice").empty()) print_result("\nNothing to change.\n");
  for (const auto& line : r.at("advice")) print_result("\nTo change: {}\n", text(line));
}

}  // namespace

void add_doctor_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand(
      "doctor", "What is in use (LibTorch, BLAS, threads, kernels, plugins, cache) and what to change");
  program.add_common_flags(*verb, false);
  auto retest = std::make_shared<bool>(false);
  verb->add_flag("--retest", *retest, "Test the kernels once more, over what is remembered of them");
  verb->callback([&program, retest] {
    program.action = [&program, retest] {
      const nlohmann::json result = examine(program, *retest);
      if (program.json)
        program.print_json(result);
      else
        print(result);
      return result.at("engine").at("kernels").at("faults").empty() ? ExitCode::kDone : ExitCode::kCheckFailed;
    };
  });
}

void add_test_kernels_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("test-kernels", "Compare the kernels of this machine with plain loops");
  verb->group("");  // not for people
  verb->callback([&program] {
    program.action = [] {
      engine::load({nullptr, 0}, {})->test_kernels();
      return ExitCode::kDone;
    };
  });
}

}  // namespace osteon::cli
