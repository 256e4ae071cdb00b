// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace osteon::models {

/// Holds a GraphProto against what the format promises and OpenCV's importer (4.6) does not look at: each input of a
/// node is made by something before it, each operator has the inputs that it cannot be without, tensors have the bytes
/// of their shape and fit their node, and what is divided by or counted with is positive. A graph beyond that may read
/// memory that is not its own, or end the process.
///
/// Throws BadInput, naming the node or tensor; InvalidArgument for what may be in order and cannot be run, such as
/// graphs within graphs.
///
/// @return of each output of the graph, what makes its values: the operator that it comes from, past those that only
///         move or resize.
std::map<std::string, std::string> check_graph(std::string_view graph);

}  // namespace osteon::models
