// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace osteon::models {

/// An attribute of a node, as far as it is looked at here.
struct NodeAttribute {
  std::vector<std::int64_t> numbers;  ///< of a whole number or a list of them
  bool has_other = false;             ///< it has a value of another kind beside or instead
  std::string_view tensor;            ///< a TensorProto; empty: none
  bool has_tensor = false;
  bool has_graph = false;
};

/// A NodeProto. Views are into the file.
struct GraphNode {
  std::string_view type, name;
  std::vector<std::string_view> inputs, outputs;
  std::map<std::string_view, NodeAttribute> attributes;

  /// "node 'conv_1' (Conv)"; one without a name is called by its output.
  std::string text() const;
  /// The name of an input; empty where it is left out.
  std::string_view input(std::size_t index) const { return index < inputs.size() ? inputs[index] : std::string_view(); }
  /// The numbers of an attribute; empty where there is none.
  std::vector<std::int64_t> numbers(std::string_view attribute) const;
};

/// Throws BadInput for a message that is none, or has an attribute twice.
GraphNode read_node(std::string_view message);

}  // namespace osteon::models
