-- The four kinds say in the same words how they are, so this script is the same for each of them.
local hs = { status = "Progressing", message = "Waiting for Usher to look at it" }
if obj.status == nil or obj.status.conditions == nil then
  return hs
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  hs.message = "Waiting for Usher to look at its latest change"
  return hs
end

local ready
local remarks = ""
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    ready = condition
  elseif condition.status == "True" and condition.type ~= "ResolvedRefs" then
    -- What is published all the same, and worth a look: RoleConflict, SystemRoleUnmapped, AdministratorExpires.
    remarks = remarks .. " " .. condition.type .. ": " .. condition.message
  end
end
if ready == nil then
  return hs
end
hs.message = ready.message
if ready.status == "True" then
  hs.status = "Healthy"
  hs.message = ready.message .. remarks
elseif ready.reason ~= "Publishing" then
  hs.status = "Degraded"
end
return hs
