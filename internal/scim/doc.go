// Package scim implements a SCIM 2.0 service provider (RFC 7643 and RFC 7644): identity providers keep UserAccess objects
// and the members of AccessGroups up to date (docs/scim.md).
//
// The server has no rights. It sends the requests to the API server with the bearer token of its caller, so RBAC and
// admission decide what an identity provider may do. It keeps nothing between requests, and neither logs nor stores
// tokens.
//
// The library github.com/elimity-com/scim serves discovery, validates resources and renders answers. This package does
// what the library does not:
//
//   - [Server] authenticates, bounds and normalizes requests. Identity providers send variants of PATCH that the library
//     refuses, and attributes that Usher does not keep.
//   - users and groups convert between SCIM resources and objects. The conversions are pure functions.
//   - store reads and writes objects with server-side apply, under one field manager. So Git and an identity provider can
//     own different fields of one object.
package scim
