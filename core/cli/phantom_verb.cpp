// SPDX-License-Identifier: Apache-2.0
// `osteon phantom OUT`.
#include <memory>

#include <fmt/format.h>

#include "cli/verbs.hpp"

namespace osteon::cli {

void add_phantom_verb(CLI::App& app, Program& program) {
  CLI::App* verb = app.add_subcommand("phantom", "Write a synthetic hand data set in the competition's layout");
  program.add_common_flags(*verb, false);
  auto request = std::make_shared<engine::PhantomRequest>();
  verb->add_option("OUT", request->out, "The folder to write")->required();
  verb->add_option("--patients", request->patients, "Patients to train on, two hands each")->capture_default_str();
  verb->add_option("--test-patients", request->test_patients, "Patients held back in test/")->capture_default_str();
  verb->add_option("--size", request->size, "Height and width of the images, px")->capture_default_str();
  verb->add_option("--seed", request->seed, "The same seed gives the same bytes")->capture_default_str();
  verb->add_option("--rings", request->ring_fraction, "Share of patients with a ring, 0..1")->capture_default_str();
  verb->add_option("--bent", request->bent_fraction, "Share of patients with a bent wrist, 0..1")
      ->capture_default_str();
  verb->add_flag("--overwrite", request->overwrite, "Replace a phantom that is there already");
  verb->callback([&program, request] {
    program.action = [&program, request] {
      const nlohmann::json result = program.engine(engine::KernelTest::kNone).phantom(*request);
      if (program.json)
        program.print_json(result);
      else
        print_result("{} images of {} patients in {}\n", result.at("images").get<int>(),
                     result.at("patients").get<int>(), request->out.string());
      return ExitCode::kDone;
    };
  });
}

}  // namespace osteon::cli
