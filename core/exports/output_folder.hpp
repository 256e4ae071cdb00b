// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace osteon::exports {

/// Where `osteon predict` writes:
///
///     submission.csv
///     masks/NAME.png or masks/NAME/CLASS.png
///     overlays/NAME.png
///     probabilities/NAME.safetensors
class OutputFolder {
 public:
  explicit OutputFolder(std::filesystem::path root);

  const std::filesystem::path& root() const noexcept { return root_; }
  std::filesystem::path submission() const { return root_ / "submission.csv"; }
  std::filesystem::path masks() const { return root_ / "masks"; }
  std::filesystem::path overlays() const { return root_ / "overlays"; }
  std::filesystem::path probabilities() const { return root_ / "probabilities"; }

  /// Whether a path is this folder, or is or lies in one of those that are written below it, by whatever links it is
  /// named. Images that lie beside those may be inputs: `osteon predict RUN scan.png --out .` is sound.
  bool owns(const std::filesystem::path& path) const;

 private:
  std::filesystem::path root_;
  std::filesystem::path place_;  ///< of the root, without links
};

/// What an image is called in the outputs.
struct OutputName {
  std::string image;  ///< in tables: the file's name
  std::string file;   ///< NAME above: the file's name without its extension
};

/// A name for every input, no two alike, which depends on which inputs there are but not on their order. Where several
/// have one name, all of them get longer ones, as little longer as will do: `hand.png` and `hand.jpg` write
/// `masks/hand.png/` and `masks/hand.jpg/`; `a/hand.png` and `b/hand.png` become `a_hand.png` and `b_hand.png`. The
/// inputs are different files. File names are no longer than any file system takes: what is too long ends in a digest.
std::vector<OutputName> output_names(const std::vector<std::filesystem::path>& inputs);

}  // namespace osteon::exports
