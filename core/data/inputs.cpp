// SPDX-License-Identifier: Apache-2.0
#include "data/inputs.hpp"

#include <cerrno>
#include <cstring>
#include <set>

#include <glob.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "data/image_file.hpp"
#include "data/listing.hpp"

namespace osteon::data {
namespace fs = std::filesystem;
namespace {

/// What glob() could not read: its callback knows no object of ours.
thread_local std::string unreadable_folder;

int on_unreadable(const char* folder, int reason) {
  if (reason != EACCES) return 0;  // links that lead nowhere, and what is gone in between
  unreadable_folder = folder;
  return 1;
}

class Inputs {
 public:
  explicit Inputs(const std::function<bool(const fs::path&)>& leaves_out) : leaves_out_(leaves_out) {}

  void add(const std::string& argument) {
    std::error_code failure;
    const fs::file_status status = fs::symlink_status(argument, failure);
    if (fs::exists(status))
      add_named(argument);
    else if (status.type() == fs::file_type::not_found)
      add_pattern(argument);
    else
      throw Error(ExitCode::kData, "cannot look at it: " + failure.message(), argument);
  }

  std::vector<fs::path> files;

 private:
  bool left_out(const fs::path& path) const {
    if (!leaves_out_(path)) return false;
    spdlog::warn("{}: belongs to the output and is not taken as input", path.string());
    return true;
  }

  void add_file(const fs::path& file) {
    if (seen_.insert(fs::absolute(file).lexically_normal()).second)
      files.push_back(file);
    else
      spdlog::warn("{}: is named twice and taken once", file.string());
  }

  void add_named(const fs::path& path) {
    if (left_out(path)) return;
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) return add_file(path);
    bool any = false;
    for (const fs::path& file : visible_files_below(path, [&](const fs::path& folder) { return left_out(folder); })) {
      if (!has_image_extension(file)) continue;
      add_file(path / file);
      any = true;
    }
    if (!any) throw Error(ExitCode::kData, "this folder holds no images", path.string());
  }

  void add_pattern(const std::string& pattern) {
    glob_t matches{};
    const int status = ::glob(pattern.c_str(), GLOB_BRACE | GLOB_TILDE, on_unreadable, &matches);
    const std::vector<std::string> paths(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
    ::globfree(&matches);
    if (status == GLOB_ABORTED)
      throw Error(ExitCode::kData, std::string("cannot read the folder: ") + std::strerror(EACCES), unreadable_folder);
    if (status != 0)
      throw Error(ExitCode::kData, "there is no such file or folder, and no file matches it as a pattern", pattern);
    for (const std::string& path : paths) add_named(path);
  }

  const std::function<bool(const fs::path&)>& leaves_out_;
  std::set<fs::path> seen_;
};

}  // namespace

std::vector<fs::path> find_inputs(const std::vector<std::string>& arguments,
                                  const std::function<bool(const fs::path&)>& leaves_out) {
  Inputs inputs(leaves_out);
  for (const std::string& argument : arguments) inputs.add(argument);
  if (inputs.files.empty())
    throw Error(ExitCode::kUsage, "all that is named belongs to the output; name another folder with --out");
  return std::move(inputs.files);
}

}  // namespace osteon::data
