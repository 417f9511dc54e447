# Times after the press: protection-and-sequences.md §6, all "assumption" there; the rules are ISO 13850 and
# IEC 60204-1 [R]: overrides everything, latches, release does not restart, reset is a separate deliberate act.
@safety
Feature: Emergency stop
  Whoever presses the E-stop takes the power away at once and for good: it comes back only after release,
  a deliberate reset and a new start.

  @catches-ignored-estop
  Scenario: Both channels open under load
    Given the plant discharges at 0.5 C
    When the E-stop is pressed
    Then within 20 ms the PCS is blocked [assumption §6]
    And within 20 ms the PCS delivers no power [assumption §6]
    And within 100 ms the AC contactor is open [assumption §6]
    And within 200 ms the contactors of every cluster are open [assumption §6]
    And within 1 s the BAU has seen the E-stop [assumption §6]
    And within 1 s the stack is in emergency stop [assumption §6]
    And within 1 s the BMS has taken its permit away [assumption §6]
    And within 1 s every BCU commands its contactors open [assumption §6]
    And for 5 s the chiller pump keeps running [§6: cooling, panel and comms stay powered]

  Scenario: One channel alone stops the plant and locks the relay
    Given the plant discharges at 0.25 C
    When only channel A of the E-stop opens
    Then within 20 ms the PCS is blocked [assumption §6]
    And within 200 ms the contactors of every cluster are open [assumption §6]
    And within 600 ms the safety relay is locked out [§6: discrepancy above 500 ms is a fault]
    When the E-stop is released
    And the safety reset button is pressed
    Then for 3 s the safety chain stays open [§6: locked out until both channels were opened and closed]
    And for 3 s the contactors of every cluster stay open [§6]

  @catches-restarts-after-estop-release @catches-no-reset-needed
  Scenario: Release does not restart, reset does not restart, a new start does
    Given the plant is in operation
    When the E-stop is pressed
    Then within 200 ms the contactors of every cluster are open [assumption §6]
    When 2 s pass
    And the E-stop is released
    Then for 5 s the contactors of every cluster stay open [ISO 13850 R]
    And for 1 s the stack stays in emergency stop [ISO 13850 R]
    When the safety reset button is pressed
    Then within 1 s the safety chain is closed
    And for 10 s the contactors of every cluster stay open [ISO 13850 R: reset is not a start]
    And still the stack is in emergency stop [§6: latched until reset by the operator]
    When the operator resets the alarms
    Then within 15 s the stack is on standby
    And for 5 s the contactors of every cluster stay open [§6: a new start is needed]
    When the operator starts the plant
    Then within 60 s the stack is connected [assumption §4]
    And within 120 s the EMS runs the plant [assumption §4: ready within 60 s, and the enter-service delay]
