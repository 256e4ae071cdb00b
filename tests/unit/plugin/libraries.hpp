// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "support/temporary_folder.hpp"

/// Folders with copies of the libraries of tests/fixtures/plugins.
namespace osteon::plugin::test {

/// The library that tests/fixtures/plugins/CMakeLists.txt calls `name`.
inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(OSTEON_FIXTURE_PLUGINS) / (name + ".so");
}

/// A folder that is gone when the test is.
class TemporaryFolder : public osteon::test::TemporaryFolder {
 public:
  /// Copies a fixture into the folder, under its own name or another one.
  std::filesystem::path add(const std::string& name, const std::string& as = "") const {
    const std::filesystem::path to = path() / (as.empty() ? name + ".so" : as);
    std::filesystem::copy_file(fixture(name), to, std::filesystem::copy_options::overwrite_existing);
    return to;
  }
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    std::ofstream(path() / name, std::ios::binary) << content;
    return path() / name;
  }
};

inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Expects `text` to hold all of `parts`.
inline void expect_parts(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
}

/// Expects Error with this code and a message that holds all of these parts.
template <class Function>
void expect_refusal(ExitCode code, const std::vector<std::string>& parts, Function&& function) {
  try {
    function();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    expect_parts(e.what(), parts);
  }
}

}  // namespace osteon::plugin::test
