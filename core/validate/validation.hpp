// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugin/schema.hpp"
#include "validate/validator.hpp"

namespace osteon::validate {

/// What is to be validated, and how.
struct Request {
  std::filesystem::path file;
  std::filesystem::path program;     ///< runs checks in children: PROGRAM run-check FILE KIND COMPONENT ...
  std::set<std::string> checks;      ///< these alone; empty: all
  std::set<std::string> components;  ///< these alone, and of the library's own checks those in `checks`; empty: all
  Given given;
  double patience = 1;  ///< factor on every check's time limit
  int children = 1;     ///< checks that run at once
  const std::atomic<bool>* stop = nullptr;
};

/// One verdict.
struct Result {
  std::string component;  ///< empty: of the library
  std::string version;    ///< of the component
  std::optional<plugin::Kind> kind;
  CheckInfo check;
  Answer answer;
  double seconds = 0;
};

/// Loads the library of checks. Throws Error(kResources) when it is not there.
const Validator& validator();

/// Runs every check of a library in a child process of its own and gives the verdicts in order, each also to `show` as
/// soon as those before it are known. A library that is refused before its components are known gets the verdicts of
/// its own checks alone; they say why. Throws Error(kUsage) for names of checks, components or parameters that there
/// are not, and for checks that are of nothing that was asked for; Interrupted when `stop` was set.
std::vector<Result> validate(const Request& request, const std::function<void(const Result&)>& show);

/// What the child does: runs one check in this process and answers the parent.
/// @param limit  after which it has failed, as Watchdog counts; 0: none
void run_check(const std::filesystem::path& file, const Checked& what, const std::string& check, const Given& given,
               std::chrono::milliseconds limit);

/// What a child does for several checks of a component: it loads the library once, then answers each line "LIMIT CHECK"
/// of standard input (in ms) with how a copy of this process ended that ran the check, as JSON in a line. It returns at
/// the end of its input, or at once where loading has started threads, which a copy would lack.
void serve_checks(const std::filesystem::path& file, const Checked& what, const Given& given,
                  const std::atomic<bool>& stop);

}  // namespace osteon::validate
