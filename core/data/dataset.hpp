// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/class_tally.hpp"
#include "data/image.hpp"
#include "data/labels.hpp"

namespace osteon::data {

/// One image of a data set and where its labels are.
struct Sample {
  std::string id;                    ///< unique; the `image_name` of exports: for "boostcamp" the file name
  std::filesystem::path image;       ///< the file
  std::filesystem::path annotation;  ///< file ("boostcamp", "index_png") or folder of masks ("class_png"); empty: none
  std::string group;                 ///< the patient; samples of a group never part in a split
  double weight = 1;                 ///< what it counts in the loss, at least 0
};

/// Something wrong with one sample or pair of files.
struct Problem {
  std::string id;       ///< of the sample, or the stem of a file without a partner
  std::string message;  ///< what is wrong
  std::string where;    ///< path, or path:byte-offset
};

/// What a broken image or annotation leads to: `on_broken` of a recipe.
enum class OnBroken { kFail, kSkip };

/// What a class without an annotation in an image means: `absent` of a recipe.
enum class Absent {
  kError,    ///< that the annotation is broken
  kEmpty,    ///< that the class is not in the image
  kUnknown,  ///< that nobody knows: Labels::knows() is false
};

struct DatasetOptions {
  ClassSet classes;                      ///< names in channel order, at least one, no two alike
  int ignore_index = 255;                ///< "index_png": pixels of this value are invalid; -1: none are
  std::string subset = "train";          ///< "train" must have annotations; others (as "test") may be wholly without
  OnBroken on_broken = OnBroken::kFail;  ///< for files that have no partner; see open_dataset
  Absent absent = Absent::kError;        ///< "boostcamp" and "class_png"; "index_png" names a class for every pixel
  std::filesystem::path weights;         ///< CSV of weights of images (see read_sample_weights); empty: none
};

/// The images of a data set, in order of their paths, with or without labels. All functions may be called from any
/// thread; reading decodes anew each time and keeps nothing.
class Dataset {
 public:
  virtual ~Dataset() = default;

  const ClassSet& classes() const noexcept { return options_.classes; }
  const std::vector<Sample>& samples() const noexcept { return samples_; }
  /// Files that were left out because their partner is missing (`OnBroken::kSkip`). The caller tells the user.
  const std::vector<Problem>& left_out() const noexcept { return left_out_; }
  /// Of the annotations that were read or checked so far; the caller tells the user.
  const ClassTally& tally() const noexcept { return tally_; }
  /// Whether the subset has labels: all samples or none.
  bool has_labels() const noexcept { return has_labels_; }
  /// Whether samples have weights of their own.
  bool has_weights() const noexcept { return !options_.weights.empty(); }

  /// Throws Error(kData) naming the file.
  Image read_image(int index) const;
  /// Labels on the image's own grid. Throws Error(kData) naming the file; also where has_labels() is false.
  Labels read_labels(int index) const;
  /// The same where the image was read: `size` is its own.
  Labels read_labels(int index, cv::Size size) const;

  /// Whether read_image() and read_labels() may be expected to work: reads the annotation and the headers of images and
  /// masks, and decodes no pixel of PNG and JPEG files. Throws Error(kData) naming the file.
  void check_sample(int index) const;

 protected:
  Dataset(DatasetOptions options, std::vector<Sample> samples, std::vector<Problem> left_out, bool has_labels)
      : options_(std::move(options)),
        samples_(std::move(samples)),
        left_out_(std::move(left_out)),
        has_labels_(has_labels) {}

  const DatasetOptions& options() const noexcept { return options_; }
  /// For layouts whose annotations name classes.
  void count(const Sample& sample, const std::vector<std::uint8_t>& named,
             const std::vector<std::string>& others) const {
    tally_.add(sample.id, named, others);
  }

 private:
  friend std::unique_ptr<Dataset> open_dataset(const std::string& layout, const std::filesystem::path& root,
                                               DatasetOptions options);
  void weigh_samples();
  /// The labels of a sample whose image has `size`; of another size is an error, found by the caller.
  virtual Labels load_labels(const Sample& sample, cv::Size size) const = 0;
  /// As load_labels() without the pixels; another size is an error that it finds itself.
  virtual void check_labels(const Sample& sample, cv::Size size) const = 0;

  DatasetOptions options_;
  std::vector<Sample> samples_;
  std::vector<Problem> left_out_;
  bool has_labels_;
  mutable ClassTally tally_;
};

/// The names of the layouts, as recipes write them.
const std::vector<std::string>& dataset_layouts();

/// Lists a data set. Decodes nothing yet. Hidden files and files that are no images are passed over.
///
/// - "boostcamp", the competition's: `ROOT/SUBSET/DCM/PATIENT/IMAGE.png` and
///   `ROOT/SUBSET/outputs_json/PATIENT/IMAGE.json`, paired by patient and stem. Multi-label. An image is called by its
///   file's name, and by PATIENT/IMAGE.png where another patient has one of that name.
/// - "index_png": `ROOT/[SUBSET/]images/**/NAME.*` and `ROOT/[SUBSET/]masks/**/NAME.png`, whose pixels are positions in
///   `classes`, or `ignore_index`; grey or palette.
/// - "class_png": `ROOT/[SUBSET/]images/**/NAME.*` and `ROOT/[SUBSET/]masks/CLASS/**/NAME.png` for every class, whose
///   folder is called as file_name_of() says; not 0 means set.
///
/// In the last two, `SUBSET/` is there for all subsets or, where there is only "train", for none; the first folder
/// below `images/` is the patient, and an image outside of one is a patient by itself.
///
/// Classes that a data set has beside `classes` are left out, see Dataset::tally(). A mask's suffix may be in capitals.
///
/// With another `absent` than kError, an annotation of "boostcamp" need not name every class, and of "class_png" an
/// image's mask may be missing for some classes; one mask it needs. In multiclass data with an unknown class, pixels
/// without any class are not valid.
///
/// Throws Error(kUsage) for an unknown layout, or one that cannot hold the kind of classes or has no use for `absent`;
/// Error(kData) for missing folders, no image, (`OnBroken::kFail`) an image or annotation without its partner, naming
/// both places, or what is wrong with the weights.
std::unique_ptr<Dataset> open_dataset(const std::string& layout, const std::filesystem::path& root,
                                      DatasetOptions options);

}  // namespace osteon::data
