// SPDX-License-Identifier: Apache-2.0
#include "data/listing.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "data/image_file.hpp"

namespace osteon::data {
namespace fs = std::filesystem;
namespace {

bool is_hidden(const fs::path& path) { return path.filename().string().front() == '.'; }

/// Calls `list(out)` and sorts what it found; file system errors become ours.
template <typename List>
std::vector<fs::path> sorted(const fs::path& folder, List&& list) {
  std::vector<fs::path> paths;
  try {
    list(paths);
  } catch (const fs::filesystem_error& error) {
    throw Error(ExitCode::kData, "cannot read the folder: " + error.code().message(), folder.string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

std::vector<fs::path> visible_folders(const fs::path& folder) {
  return sorted(folder, [&](auto& paths) {
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.is_directory() && !is_hidden(entry.path())) paths.push_back(entry.path());
  });
}

std::vector<fs::path> visible_files(const fs::path& folder) {
  return sorted(folder, [&](auto& paths) {
    for (const auto& entry : fs::directory_iterator(folder))
      if (!entry.is_directory() && !is_hidden(entry.path())) paths.push_back(entry.path());
  });
}

std::vector<fs::path> visible_files_below(const fs::path& folder) {
  return sorted(folder, [&](auto& paths) {
    const auto options = fs::directory_options::follow_directory_symlink;
    for (auto entry = fs::recursive_directory_iterator(folder, options); entry != fs::recursive_directory_iterator();
         ++entry) {
      if (is_hidden(entry->path())) {
        entry.disable_recursion_pending();
      } else if (!entry->is_directory()) {
        paths.push_back(entry->path().lexically_relative(folder));
      }
    }
  });
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
