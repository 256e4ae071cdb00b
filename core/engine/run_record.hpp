// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "engine/engine.hpp"

// What run.json says of a run: how it stands, with what it was made, and its sessions, one for each process that
// trained it.
namespace osteon::engine {

/// Of a run that begins now, with its first session.
nlohmann::json new_record(const TrainRequest& request, const Context& context);

/// A run that goes on now; a session that never ended was killed.
void add_session(nlohmann::json& record, const TrainRequest& request, const Context& context);

/// Its last session ends, and so does the run for now: "done", "interrupted" or "failed".
void end_session(nlohmann::json& record, const char* status);

}  // namespace osteon::engine
