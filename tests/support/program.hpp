// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/temporary_folder.hpp"

namespace osteon::test {

/// How a run of the program ended and what it said.
struct Outcome {
  int exit_code = -1;
  std::string out;
  std::string err;
  double processor_seconds = 0;  ///< its own and the shell's: a busy machine adds nothing
};

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

/// Processor time of all children that have been waited for.
inline double children_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Runs `program arguments` through the shell; the arguments are quoted by the caller where they need it.
inline Outcome run_program(const std::string& program, const std::string& arguments) {
  const TemporaryFolder folder;
  const std::string command =
      program + " " + arguments + " >" + (folder / "out").string() + " 2>" + (folder / "err").string();
  const double before = children_seconds();
  const int status = std::system(command.c_str());
  Outcome outcome;
  outcome.processor_seconds = children_seconds() - before;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = slurp(folder / "out");
  outcome.err = slurp(folder / "err");
  return outcome;
}

/// Runs the program and interrupts it once `ready()` holds. When it was through before the signal came, as happens on a
/// busy machine, `again()` makes a clean start of it.
inline Outcome run_interrupted(const std::string& program, const std::string& arguments,
                               const std::function<bool()>& ready, const std::function<void()>& again) {
  const TemporaryFolder folder;
  Outcome outcome;
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::filesystem::remove(folder / "pid");
    std::atomic<bool> over{false};
    std::thread stopper([&] {
      while (!over && !ready()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (!over) ::kill(std::stoi(slurp(folder / "pid")), SIGINT);
    });
    outcome =
        run_program("sh -c 'echo $$ >" + (folder / "pid").string() + "; exec \"$0\" \"$@\"' " + program, arguments);
    over = true;
    stopper.join();
    if (outcome.exit_code != 0) break;
    again();
  }
  return outcome;
}

}  // namespace osteon::test
