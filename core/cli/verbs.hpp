// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "cli/output.hpp"
#include "cli/program.hpp"

namespace osteon::cli {

/// Each adds one verb to the command line; when the verb is named, `program.action` becomes what it does.
void add_plugins_verb(CLI::App& app, Program& program);
/// Adds `new` and `validate` to `plugins`.
void add_plugins_new_verb(CLI::App& plugins, Program& program);
void add_plugins_validate_verb(CLI::App& plugins, Program& program);
/// Hidden: what `plugins validate` runs in a child process for every check.
void add_run_check_verb(CLI::App& app, Program& program);
void add_recipe_verb(CLI::App& app, Program& program);
void add_phantom_verb(CLI::App& app, Program& program);
void add_train_verb(CLI::App& app, Program& program);
void add_evaluate_verb(CLI::App& app, Program& program);
void add_predict_verb(CLI::App& app, Program& program);
void add_post_verb(CLI::App& app, Program& program);
void add_augment_verb(CLI::App& app, Program& program);
void add_model_verb(CLI::App& app, Program& program);
void add_weights_verb(CLI::App& app, Program& program);
void add_doctor_verb(CLI::App& app, Program& program);
/// Hidden: what the test of kernels runs in a child process.
void add_test_kernels_verb(CLI::App& app, Program& program);
/// Hidden: what the registry runs in a child process to learn what a library holds.
void add_scan_plugin_verb(CLI::App& app, Program& program);

}  // namespace osteon::cli
