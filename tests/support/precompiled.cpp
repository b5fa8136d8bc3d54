// SPDX-License-Identifier: Apache-2.0
//
// Nothing: headers can be precompiled for a target only, and a target needs a source.
