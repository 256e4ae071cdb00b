// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace osteon::engine {

/// Gives LibTorch's large tensors on the CPU the memory of sdk::allocate_pages(). Once, before there are tensors.
void install_tensor_memory();

}  // namespace osteon::engine
