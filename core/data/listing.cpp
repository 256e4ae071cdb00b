// SPDX-License-Identifier: Apache-2.0
#include "data/listing.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "base/error.hpp"
#include "base/suggest.hpp"
#include "data/image_file.hpp"

namespace osteon::data {
namespace fs = std::filesystem;
namespace {

// Nobody means the hidden ones, nor the resource forks that macOS adds to archives, which have images' names.
bool is_passed_over(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.front() == '.' || name == "__MACOSX";
}

// What leads nowhere is no folder. What may not be looked at could be one, full of images.
bool is_folder(const fs::path& path) {
  std::error_code failure;
  const bool folder = fs::is_directory(path, failure);
  if (failure == std::errc::permission_denied)
    throw Error(ExitCode::kData, "cannot look at it: " + failure.message(), path.string());
  return folder;
}

std::vector<fs::path> visible_entries(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code failure;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure))
    if (!is_passed_over(entry->path())) paths.push_back(entry->path());
  if (failure) throw Error(ExitCode::kData, "cannot read the folder: " + failure.message(), folder.string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

// It may have been a whole folder of images. One with an image's name is missed by whoever reads it.
void name_dead_link(const fs::path& path) {
  std::error_code ignored;
  if (!has_image_extension(path) && fs::is_symlink(path, ignored) && !fs::exists(path, ignored))
    spdlog::warn("{}: this link leads nowhere", path.string());
}

/// One walk down from a folder.
class Walk {
 public:
  explicit Walk(const std::function<bool(const fs::path&)>& passes_over) : passes_over_(passes_over) {}

  void into(const fs::path& folder) {
    struct stat place {};
    if (::stat(folder.c_str(), &place) != 0)
      throw Error(ExitCode::kData, std::string("cannot read the folder: ") + std::strerror(errno), folder.string());
    const Identity identity{place.st_dev, place.st_ino};
    if (std::find(above_.begin(), above_.end(), identity) != above_.end()) {
      spdlog::warn("{}: this link leads back to a folder that it lies in; it is not followed", folder.string());
      return;
    }
    above_.push_back(identity);
    for (const fs::path& path : visible_entries(folder)) {
      if (!is_folder(path)) {
        name_dead_link(path);
        files.push_back(path);
      } else if (!passes_over_ || !passes_over_(path)) {
        into(path);
      }
    }
    above_.pop_back();
  }

  std::vector<fs::path> files;

 private:
  using Identity = std::pair<dev_t, ino_t>;

  const std::function<bool(const fs::path&)>& passes_over_;
  std::vector<Identity> above_;  ///< the folders that it is in, from the first
};

}  // namespace

std::vector<fs::path> visible_folders(const fs::path& folder) {
  std::vector<fs::path> paths = visible_entries(folder);
  paths.erase(std::remove_if(paths.begin(), paths.end(), [](const fs::path& path) { return !is_folder(path); }),
              paths.end());
  return paths;
}

std::vector<fs::path> visible_files(const fs::path& folder) {
  std::vector<fs::path> paths = visible_entries(folder);
  paths.erase(std::remove_if(paths.begin(), paths.end(), is_folder), paths.end());
  for (const fs::path& path : paths) name_dead_link(path);
  return paths;
}

std::vector<fs::path> visible_files_below(const fs::path& folder,
                                          const std::function<bool(const fs::path&)>& passes_over) {
  Walk walk(passes_over);
  walk.into(folder);
  for (fs::path& path : walk.files) path = path.lexically_relative(folder);
  std::sort(walk.files.begin(), walk.files.end());
  return std::move(walk.files);
}

fs::path subset_folder(const fs::path& root, const std::string& subset) {
  const bool nested = fs::is_directory(root / subset / "images");
  const bool bare = subset == "train" && fs::is_directory(root / "images");
  if (nested && bare)
    throw Error(ExitCode::kData, "both images/ and " + subset + "/images/ are there; keep one", root.string());
  if (nested) return root / subset;
  if (bare) return root;
  throw Error(ExitCode::kData,
              "has no folder " + subset + "/images" + (subset == "train" ? " and no folder images" : ""),
              root.string());
}

std::vector<Sample> list_images(const fs::path& folder) {
  std::vector<Sample> samples;
  const fs::path images = folder / "images";
  for (const fs::path& relative : visible_files_below(images)) {
    if (!has_image_extension(relative)) continue;
    Sample sample;
    sample.id = relative.generic_string();
    sample.image = images / relative;
    sample.group = relative.has_parent_path() ? relative.begin()->string() : sample.id;
    samples.push_back(std::move(sample));
  }
  return samples;
}

bool has_suffix(const fs::path& file, const std::string& suffix) {
  const std::string own = file.extension().string();
  return own.size() == suffix.size() && std::equal(own.begin(), own.end(), suffix.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

fs::path in_any_case(const fs::path& path) {
  std::error_code failure;
  if (fs::exists(path, failure)) return path;
  std::string suffix = path.extension().string();
  for (char& c : suffix) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  const fs::path capitals = fs::path(path).replace_extension(suffix);
  return fs::exists(capitals, failure) ? capitals : path;
}

std::string no_partner(const std::string& what, const fs::path& path) {
  std::string text = "has no partner: there is no " + what + " " + path.string();
  std::error_code failure;
  std::vector<std::string> others;
  for (fs::directory_iterator entry(path.parent_path(), failure), end; !failure && entry != end;
       entry.increment(failure)) {
    if (is_passed_over(entry->path())) continue;
    if (entry->path().stem() == path.stem())
      return text + "; there is " + entry->path().filename().string() + ", which is none";
    others.push_back(entry->path().filename().string());
  }
  if (failure) return fs::exists(path.parent_path()) ? text : text + "; nor is there that folder";
  if (others.empty()) return text + "; the folder is empty";
  std::sort(others.begin(), others.end());
  const std::string near = nearest(path.filename().string(), others);
  return text + "; there is " + (near.empty() ? others.front() : near) +
         (others.size() > 1 ? ", and " + std::to_string(others.size() - 1) + " more" : "");
}

bool annotations_exist(const fs::path& folder, const std::string& subset) {
  const bool there = fs::is_directory(folder);
  if (!there && subset == "train")
    throw Error(ExitCode::kData, "this folder of annotations is missing", folder.string());
  return there;
}

void settle(const std::vector<Sample>& samples, const std::vector<Problem>& problems, OnBroken on_broken,
            const fs::path& images) {
  if (!problems.empty() && on_broken == OnBroken::kFail) {
    const Problem& first = problems.front();
    std::string message = first.message;
    if (problems.size() > 1) message += " (the first of " + std::to_string(problems.size()) + " such problems)";
    throw Error(ExitCode::kData, message + "; on_broken = \"skip\" goes on without", first.where);
  }
  if (samples.empty()) throw Error(ExitCode::kData, "there is no usable image in this folder", images.string());
}

}  // namespace osteon::data
