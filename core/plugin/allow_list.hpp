// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace osteon::plugin {

/// The SHA-256 of a text "sha256:" and 64 lower-case hexadecimal digits; nullopt for any other text.
std::optional<std::string> digest_from(const std::string& text);

/// Which libraries may be loaded, by the SHA-256 of their bytes.
///
/// Several lists can be in force, an operator's and a recipe's. What one of them does not have is refused whatever the
/// others say: a list can narrow another and never widen it.
class AllowList {
 public:
  /// `origin` is what messages call it: a path, or the recipe.
  AllowList(std::string origin, std::set<std::string> digests)
      : origin_(std::move(origin)), digests_(std::move(digests)) {}

  /// Reads a TOML file that says `[plugins] allow = ["sha256:...", ...]` and nothing else; an empty list allows
  /// nothing. Throws Error(kData) when it is not there, is something else, or may be written to by anybody.
  static AllowList read(const std::filesystem::path& file);

  bool has(const std::string& sha256) const { return digests_.count(sha256) > 0; }
  const std::string& origin() const noexcept { return origin_; }
  std::size_t size() const noexcept { return digests_.size(); }

 private:
  std::string origin_;
  std::set<std::string> digests_;
};

/// The operator's lists: etc/osteon/plugins.toml of the installation that `program` belongs to
/// (/etc/osteon/plugins.toml for one in /usr), where there is one, and the file that OSTEON_PLUGIN_ALLOW names. Throws
/// as AllowList::read() does, and Error(kUsage) when the variable holds no absolute path: nothing is loaded because a
/// list could not be found.
std::vector<AllowList> operator_allow_lists(const std::filesystem::path& program);

/// Empty, or why these lists do not let a library be loaded.
std::string refusal_by(const std::vector<AllowList>& lists, const std::string& sha256);

}  // namespace osteon::plugin
