/** Who runs where in the demo: each service in a cgroup of its own, as under systemd. */
export const cgroups = {
  web: 'system.slice/web.service',
  api: 'system.slice/api.service',
  reports: 'system.slice/reports.service',
  echo: 'system.slice/echo.service',
  payments: 'system.slice/payments.service',
} as const
