// Answers each message with its bytes.
export const componentLifecycle = {
  handleMessage: (sender, message) => message,
  handleCallback() {},
};

export const componentManagement = {
  initialize() {},
  health: () => 'healthy',
  shutdown() {},
};
