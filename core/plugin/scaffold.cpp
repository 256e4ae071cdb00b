// SPDX-License-Identifier: Apache-2.0
#include "plugin/scaffold.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace osteon::plugin {
namespace fs = std::filesystem;
namespace {

// The words of [a-z][a-z0-9_]*, each with a capital: "two_words" is "TwoWords".
std::string class_name(const std::string& name) {
  std::string result;
  bool first = true;
  for (const char c : name) {
    if (c != '_') result += first ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    first = c == '_';
  }
  return result;
}

bool is_name(const std::string& name) {
  return !name.empty() && name[0] >= 'a' && name[0] <= 'z' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

using Words = std::map<std::string, std::string>;

std::string filled_in(std::string text, const Words& words) {
  for (const auto& [placeholder, word] : words)
    for (std::size_t at = 0; (at = text.find(placeholder, at)) != std::string::npos; at += word.size())
      text.replace(at, placeholder.size(), word);
  return text;
}

// For plugins on LibTorch.
constexpr const char* kTorchOptions =
    "# These files call LibTorch, which is optimised already, and GCC compiles them in half the time at -O1. Loops of\n"
    "# your own are at -O3 behind OSTEON_MULTIVERSION (osteon/sdk/vector_math.hpp).\n"
    "add_compile_options($<$<CONFIG:Release>:-O1>)\n";
constexpr const char* kTorchLink = "  LINK osteon::torch\n  PRECOMPILE\n";

Words words_of(const ScaffoldRequest& request) {
  const bool torch = request.kind == Kind::kModel || request.kind == Kind::kLoss;
  return {{"__name__", request.name},
          {"__Class__", class_name(request.name)},
          {"__kind__", to_string(request.kind)},
          {"__prefix__", request.prefix.string()},
          {"__documentation__", request.documentation.string()},
          {"__examples__", request.examples.string()},
          {"__version__", OSTEON_VERSION},
          {"__components__", torch ? " COMPONENTS torch" : ""},
          {"__options__\n", torch ? kTorchOptions : ""},
          {"__link__\n", torch ? kTorchLink : ""}};
}

}  // namespace

std::vector<fs::path> write_scaffold(const ScaffoldRequest& request) {
  if (!is_name(request.name))
    throw Error(ExitCode::kUsage, "'" + request.name +
                                      "' is no name for a plugin; write a lower-case letter, then lower-case letters, "
                                      "digits and underscores, as in my_plugin");
  const fs::path folder = fs::absolute(request.folder).lexically_normal();
  std::error_code failure;
  if (fs::exists(folder, failure) && !(fs::is_directory(folder, failure) && fs::is_empty(folder, failure)))
    throw Error(ExitCode::kUsage, "the folder is there already and is not empty; name one that is to be made",
                folder.string());

  // Made beside its place and then renamed, so that nothing half-written is left behind.
  const fs::path made = folder.parent_path() / ("." + folder.filename().string() + "." + std::to_string(::getpid()));
  const Words words = words_of(request);
  std::vector<fs::path> files;
  try {
    for (const fs::path& part : {fs::path("common"), fs::path(to_string(request.kind))}) {
      for (const auto& entry : fs::directory_iterator(request.templates / part)) {
        const std::string name = filled_in(entry.path().filename().string(), words);
        fs::create_directories(made);
        write_file_atomically(made / name, filled_in(read_file(entry.path()), words));
        files.push_back(folder / name);
      }
    }
    fs::remove(folder);  // the empty one, if there is one
    fs::rename(made, folder);
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(made, failure);
    throw Error(ExitCode::kData, "the plugin's folder cannot be written: " + e.code().message(), e.path1().string());
  } catch (...) {
    fs::remove_all(made, failure);
    throw;
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace osteon::plugin
