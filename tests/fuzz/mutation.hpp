// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "support/program.hpp"

/// Fuzzing by mutation, with a corpus in tests/fuzz/corpus/TARGET. Every round is made from its number alone: a failure
/// names it, and OSTEON_FUZZ_ROUND=NUMBER runs it again and nothing else. OSTEON_FUZZ_SECONDS=N, 10 by default, says
/// how long to go on; how far that goes differs, what a round does not.
namespace osteon::test {

/// Files of a target's corpus, in order of their names.
inline std::vector<std::string> corpus(const std::string& target) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(OSTEON_SOURCE_DIR) / "tests/fuzz/corpus" / target))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> texts;
  for (const auto& file : files) texts.push_back(slurp(file));
  return texts;
}

/// Changes texts at random, of which only `tokens` know what they are about.
class Mutator {
 public:
  Mutator(const std::vector<std::string>& seeds, const std::vector<std::string>& tokens, std::uint64_t round)
      : seeds_(seeds), tokens_(tokens), random_(round) {}

  std::string mutated() {
    std::string text = any(seeds_);
    for (std::size_t changes = 1 + below(6); changes > 0; --changes) change(text);
    return text;
  }

 private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_()) % n; }
  const std::string& any(const std::vector<std::string>& list) { return list[below(list.size())]; }
  std::string piece(const std::string& of) {
    return of.empty() ? of : of.substr(below(of.size()), 1 + below(below(4) == 0 ? 400 : 12));
  }

  void change(std::string& text) {
    const std::size_t at = below(text.size() + 1), length = 1 + below(below(4) == 0 ? 400 : 8);
    switch (below(9)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, piece(any(seeds_)));
        break;
      case 2:
        text.replace(at, length, piece(any(seeds_)));
        break;
      case 3:
        text.insert(at, any(tokens_));
        break;
      case 4:
        text.replace(at, length, any(tokens_));
        break;
      case 5:
        text.replace(at, std::min<std::size_t>(length, 8), std::min<std::size_t>(length, 8),
                     below(2) == 0 ? '\xff' : '\0');
        break;
      case 6:
        if (below(8) == 0) text.resize(at);  // cut off
        break;
      case 7: {  // one thing many times, within itself
        const std::string& token = any(tokens_);
        std::string many;
        for (std::size_t i = below(below(16) == 0 ? 20'000 : 40); i > 0; --i) many += token;
        text.insert(at, many);
        break;
      }
      default:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
    }
  }

  const std::vector<std::string>& seeds_;
  const std::vector<std::string>& tokens_;
  std::mt19937_64 random_;  // the standard fixes its numbers
};

namespace detail {

inline volatile std::sig_atomic_t fuzz_round = 0;

// A crash leaves no time for more than this.
inline void say_round(int signal) {
  char text[64];
  const int size = std::snprintf(text, sizeof text, "in OSTEON_FUZZ_ROUND=%d\n", static_cast<int>(fuzz_round));
  if (::write(STDERR_FILENO, text, static_cast<std::size_t>(size)) < 0) ::_exit(1);
  ::raise(signal);
}

}  // namespace detail

/// Calls `body` with one mutated text after the other, until the time is over or a round failed.
template <class Body>
void fuzz(const std::vector<std::string>& seeds, const std::vector<std::string>& tokens, Body&& body) {
  struct sigaction action {};
  action.sa_handler = &detail::say_round;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) ::sigaction(signal, &action, nullptr);
  const char* only = std::getenv("OSTEON_FUZZ_ROUND");
  const char* seconds = std::getenv("OSTEON_FUZZ_SECONDS");
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(seconds != nullptr ? std::atoi(seconds) : 10);
  int round = only != nullptr ? std::atoi(only) : 0;
  do {
    detail::fuzz_round = round;
    SCOPED_TRACE("OSTEON_FUZZ_ROUND=" + std::to_string(round));
    body(Mutator(seeds, tokens, static_cast<std::uint64_t>(round)).mutated());
    ++round;
  } while (only == nullptr && !::testing::Test::HasFailure() && std::chrono::steady_clock::now() < end);
  ::testing::Test::RecordProperty("rounds", round);
}

}  // namespace osteon::test
