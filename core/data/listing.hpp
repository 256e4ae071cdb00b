// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.hpp"

// How folders are walked, for training and for prediction. All paths come sorted, so nothing depends on the file
// system's order. Hidden entries and `__MACOSX` are passed over. Links are followed; one that leads nowhere is listed
// as a file, whose reader then says so, and named in a warning where it has no image's name. Everything throws
// Error(kData) for a folder that is missing or cannot be read, at any depth, and names it.
namespace osteon::data {

/// Visible entries of a folder.
std::vector<std::filesystem::path> visible_folders(const std::filesystem::path& folder);
std::vector<std::filesystem::path> visible_files(const std::filesystem::path& folder);
/// Visible files at any depth, relative to `folder`. A link back to a folder that it lies in holds nothing new: it is
/// named in a warning and not followed.
///
/// @param passes_over  folders that are not entered, by their whole path; empty: all are
std::vector<std::filesystem::path> visible_files_below(
    const std::filesystem::path& folder, const std::function<bool(const std::filesystem::path&)>& passes_over = {});

/// The folder of a subset in the layouts with `images/` and `masks/`: `root/subset`, or `root` itself for "train" where
/// `root/images` exists. Throws Error(kData) where neither is there, and where both are: which one is meant?
std::filesystem::path subset_folder(const std::filesystem::path& root, const std::string& subset);

/// Images below `folder/images`, without annotations: id is the relative path, group the first folder of it or else the
/// id.
std::vector<Sample> list_images(const std::filesystem::path& folder);

/// Whether a file has this suffix, in whatever case: ".PNG" is ".png".
bool has_suffix(const std::filesystem::path& file, const std::string& suffix);
/// The file at `path`, or the one beside it whose suffix is the same in another case; `path` where there is none.
std::filesystem::path in_any_case(const std::filesystem::path& path);
/// "has no partner: there is no mask X", and what stands there instead where something of nearly that name does.
std::string no_partner(const std::string& what, const std::filesystem::path& path);

/// Whether the annotations in `folder` are there. They must be for "train".
bool annotations_exist(const std::filesystem::path& folder, const std::string& subset);

/// Throws for the first of `problems`, with their number, if they are to be fatal; throws if `samples` is empty.
void settle(const std::vector<Sample>& samples, const std::vector<Problem>& problems, OnBroken on_broken,
            const std::filesystem::path& images);

}  // namespace osteon::data
